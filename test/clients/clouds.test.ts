import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import sharp from "sharp";
import type { RunningServer } from "../../lib/server/index.js";
import { requireWith } from "../helpers/npm.js";
import { pythonWith, runPython } from "../helpers/python.js";
import { assertCircle, circle, startServer } from "../helpers/server.js";

let server: RunningServer;
before(async () => {
  server = await startServer({ apiKeys: ["hf_key"] });
});
after(() => server.close());

interface View {
  id: string;
  status: string;
  progress: { step?: number };
}
async function jobs(): Promise<View[]> {
  const answer = await fetch(`${server.url}/v1/jobs`, { headers: { authorization: "Bearer hf_key" } });
  return ((await answer.json()) as { jobs: View[] }).jobs;
}

const picture = async () =>
  (
    await sharp({ create: { width: 128, height: 128, channels: 3, background: "blue" } })
      .png()
      .toBuffer()
  ).toString("base64");

/** Lines that a script has printed, as JSON. */
const lines = (output: string) =>
  output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

interface HuggingFace {
  InferenceClient: new (
    key: string,
    options: { endpointUrl: string },
  ) => {
    textToImage(given: object, options?: { signal?: AbortSignal; outputType?: string }): Promise<Blob>;
    imageToImage(given: object): Promise<Blob>;
  };
  InferenceClientProviderApiError: new () => Error & { httpResponse: { status: number } };
}

test("@huggingface/inference draws, draws on a picture, stops and sees errors", async () => {
  const { InferenceClient, InferenceClientProviderApiError } = requireWith("@huggingface/inference@4.13.30")(
    "@huggingface/inference",
  ) as HuggingFace;
  const { prompt, seed } = circle;
  for (const endpointUrl of [server.url, `${server.url}/hf/demo`]) {
    const client = new InferenceClient("hf_key", { endpointUrl });
    const blob = await client.textToImage({ inputs: prompt, parameters: { seed, num_inference_steps: 8 } });
    assert.equal(blob.type, "image/png");
    await assertCircle(new Uint8Array(await blob.arrayBuffer()));
  }
  const client = new InferenceClient("hf_key", { endpointUrl: `${server.url}/hf/demo` });
  const inputs = new Blob([Buffer.from(await picture(), "base64")]);
  const drawnOn = await client.imageToImage({ inputs, parameters: { prompt, seed, strength: 1 } });
  await assertCircle(new Uint8Array(await drawnOn.arrayBuffer()));

  const wrong = client.textToImage({ inputs: prompt, parameters: { num_inference_steps: -1 } });
  await assert.rejects(wrong, (error: Error) => {
    assert.ok(error instanceof InferenceClientProviderApiError);
    assert.match(error.message, /parameters\.num_inference_steps: expected an integer from 1/);
    return true;
  });
  const stop = new AbortController();
  const stopped = client.textToImage({ inputs: prompt, parameters: { num_inference_steps: 100 } }, { signal: stop.signal });
  let [job] = await jobs();
  while (job?.status !== "running" || !job.progress.step) [job] = await jobs();
  stop.abort();
  await assert.rejects(stopped, { name: "AbortError" });
  while (job?.status === "running") [job] = await jobs();
  assert.equal(job?.status, "canceled");
});

test("huggingface_hub draws, draws on a picture, and sees errors", async () => {
  const python = pythonWith("huggingface_hub==2.4.0", "pillow==13.0.0");
  const script = `
import base64, io, json, sys
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
url, source = sys.argv[1:]
def tell(image):
    out = io.BytesIO()
    image.save(out, format="PNG")
    print(json.dumps(base64.b64encode(out.getvalue()).decode()))
for client in (InferenceClient(model=url + "/hf/demo", token="hf_key"), InferenceClient(base_url=url, api_key="hf_key")):
    tell(client.text_to_image("${circle.prompt}", seed=${circle.seed}, num_inference_steps=8, width=120, height=124))
tell(client.image_to_image(base64.b64decode(source), prompt="${circle.prompt}", seed=${circle.seed}, strength=1.0))
try:
    client.text_to_image("x", guidance_scale=-1)
except HfHubHTTPError as error:
    print(json.dumps([type(error).__name__, error.response.status_code, error.response.json()["error"]]))
`;
  const [first, second, drawnOn, error] = lines(await runPython(python, script, server.url, await picture()));
  for (const image of [first, second]) {
    const bytes = Buffer.from(image, "base64");
    const { width, height } = await sharp(bytes).metadata();
    assert.deepEqual([width, height], [120, 124]);
    await assertCircle(bytes);
  }
  await assertCircle(Buffer.from(drawnOn, "base64"));
  assert.deepEqual(error.slice(0, 2), ["BadRequestError", 400]);
  assert.match(error[2], /^parameters\.guidance_scale: /);
});

test("litellm draws by Stability's provider, and sees errors as its own", async () => {
  const python = pythonWith("litellm==1.110.2");
  const script = `
import json, sys
import litellm
litellm.num_retries = 0
litellm.suppress_debug_info = True
ask = dict(model="stability/sd3.5-large", api_base=sys.argv[1])
drawn = litellm.image_generation(prompt="${circle.prompt}", api_key="hf_key", seed=${circle.seed}, size="1024x1024", **ask)
print(json.dumps(drawn.data[0].b64_json))
for prompt, key in (("${circle.prompt}", "wrong"), ("", "hf_key")):
    try:
        litellm.image_generation(prompt=prompt, api_key=key, **ask)
    except Exception as error:
        print(json.dumps([type(error).__module__.split(".")[0], type(error).__name__, getattr(error, "status_code", None), str(error)]))
`;
  const [image, unauthorized, blank] = lines(await runPython(python, script, server.url));
  await assertCircle(Buffer.from(image, "base64"));
  assert.equal(unauthorized[0], "litellm");
  assert.equal(unauthorized[2], 401, JSON.stringify(unauthorized));
  assert.equal(blank[2], 400, JSON.stringify(blank));
  assert.match(blank[3], /prompt: cannot be blank/);
});

test("the Python of Stability's and Azure's own pages draws", async () => {
  const python = pythonWith("requests==2.32.5");
  const script = `
import base64, json, sys
import requests
url = sys.argv[1]
answer = requests.post(
    f"{url}/v2beta/stable-image/generate/sd3",
    headers={"authorization": "Bearer hf_key", "accept": "image/*"},
    files={"none": ""},
    data={"prompt": "${circle.prompt}", "seed": ${circle.seed}, "output_format": "jpeg"},
)
print(json.dumps([answer.status_code, answer.headers.get("seed"), base64.b64encode(answer.content).decode()]))
answer = requests.post(
    f"{url}/images/generations",
    headers={"Authorization": "hf_key", "Accept": "application/json", "extra-parameters": "pass-through"},
    json={"prompt": "${circle.prompt}", "seed": ${circle.seed}, "output_format": "png", "size": "120x124", "negative_prompt": ""},
)
print(json.dumps([answer.status_code, "", answer.json()["image"]]))
try:
    requests.post(f"{url}/images/generations", headers={"Authorization": "hf_key"}, json={"prompt": "x", "size": "big"}).raise_for_status()
except requests.exceptions.HTTPError as error:
    print(json.dumps(error.response.json()["error"]))
`;
  const [stability, azure, error] = lines(await runPython(python, script, server.url));
  assert.deepEqual([stability[0], stability[1], azure[0]], [200, "3", 200]);
  await assertCircle(Buffer.from(stability[2], "base64"));
  await assertCircle(Buffer.from(azure[2], "base64"));
  assert.equal(error.target, "size");
});
