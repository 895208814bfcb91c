import assert from "node:assert/strict";
import { test } from "node:test";
import { checkValue, type Option } from "../../../lib/options/check.js";
import { generateOptions, modelOptions } from "../../../lib/options/index.js";
import { schemaOfTable } from "../../../lib/options/schema.js";

const options = Object.entries({ ...modelOptions, ...generateOptions });
const schemas = schemaOfTable({ ...modelOptions, ...generateOptions }).properties as Record<string, object>;
const takes = (option: Option, value: unknown) => {
  try {
    checkValue(option, value, "option");
    return true;
  } catch {
    return false;
  }
};

test("a schema's limits are those of the check", () => {
  let seen = 0;
  for (const [name, option] of options) {
    const schema = schemas[name] as { minimum?: number; exclusiveMinimum?: number; maximum?: number; enum?: string[] } | undefined;
    if (!schema) continue;
    if (schema.maximum !== undefined && option.kind !== "seed") {
      seen++;
      const least = schema.minimum ?? (schema.exclusiveMinimum as number);
      assert.equal(takes(option, least), schema.minimum !== undefined, name);
      assert.ok(takes(option, schema.maximum) && !takes(option, least - 16) && !takes(option, schema.maximum + 16), name);
    }
    for (const word of schema.enum ?? []) {
      seen++;
      assert.ok(takes(option, word), `${name}: ${word}`);
    }
  }
  assert.ok(seen > 40, `${seen}`);
});

test("an object's schema has what JSON can hold, and what must be there", () => {
  const { properties, required, additionalProperties } = schemaOfTable(generateOptions) as {
    properties: Record<string, { description: string; default?: string; anyOf?: object[]; items?: object }>;
    required: string[];
    additionalProperties: boolean;
  };
  assert.deepEqual(required, ["prompt"]);
  assert.equal(additionalProperties, false);
  assert.equal(properties.signal, undefined);
  assert.equal(properties.sampler?.default, "euler");
  assert.match(properties.steps?.description ?? "", /Default: by family/);
  assert.deepEqual(
    properties.skipLayerGuidance?.anyOf?.map((form) => (form as { type: string }).type),
    ["boolean", "object"],
  );
  assert.deepEqual((properties.loras?.items as { required?: string[] } | undefined)?.required, ["path"]);
  JSON.stringify(properties);
});
