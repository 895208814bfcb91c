import { loadModel, type Model, SdcppError } from "node-sd-cpp";

export const dynamic = "force-dynamic"; // else the picture would be drawn while the app is built

let model: Promise<Model> | undefined;

/** With the first request, since `next build` imports this file, too; after a failure, the next request tries again. */
function load(): Promise<Model> {
  // For Stable Diffusion 3.5: { preset: "sd3.5-medium" }, after npx node-sd-cpp pull sd3.5-medium. A full line is answered with 429.
  model ??= loadModel({ preset: "demo", isolate: true, maxQueue: 20 }).catch((error) => {
    model = undefined;
    throw error;
  });
  return model;
}

export async function GET(request: Request): Promise<Response> {
  const prompt = new URL(request.url).searchParams.get("prompt") ?? "";
  try {
    const { images } = await (await load()).generate({ prompt, signal: request.signal }); // a client that leaves stops its run
    const [image] = images;
    return new Response(await image?.encode("png"), { headers: { "content-type": "image/png" } });
  } catch (error) {
    if (!(error instanceof SdcppError)) throw error;
    return Response.json({ code: error.code, message: error.message }, { status: error.statusCode });
  }
}
