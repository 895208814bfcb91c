import type { Option, OptionTable } from "./check.js";

export type JsonSchema = { [keyword: string]: unknown };

/** The JSON Schema of an option, as far as JSON can hold it; undefined for callbacks and signals. */
export function schemaOf(option: Option): JsonSchema | undefined {
  const form = formOf(option);
  if (!form) return undefined;
  const shown = option.default === undefined ? option.defaultText : JSON.stringify(option.default);
  const text = shown === undefined || shown === "" || shown === '""' ? option.description : `${option.description}. Default: ${shown}`;
  return { ...form, description: text };
}

/** An object with these options as members, and no others. */
export function objectSchema(table: OptionTable): JsonSchema {
  const members = Object.entries(table).flatMap(([name, option]) => {
    const schema = schemaOf(option);
    return schema ? [[name, schema] as const] : [];
  });
  const required = members.map(([name]) => name).filter((name) => table[name]?.required);
  return {
    type: "object",
    properties: Object.fromEntries(members),
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
  };
}

function formOf(option: Option): JsonSchema | undefined {
  switch (option.kind) {
    case "string":
      return { type: "string", ...(option.filled ? { minLength: 1 } : {}) };
    case "integer": {
      const { min: minimum, max: maximum, multipleOf } = option;
      return { type: "integer", minimum, maximum, ...(multipleOf ? { multipleOf } : {}) };
    }
    case "number":
      return { type: "number", [option.above ? "exclusiveMinimum" : "minimum"]: option.min, maximum: option.max };
    case "boolean":
      return { type: "boolean" };
    case "enum":
      return { type: "string", enum: [...option.values] };
    case "seed":
      return { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
    case "list": {
      const list = { type: "array", items: schemaOf(option.of), minItems: option.min, maxItems: option.max };
      return option.orItem ? { anyOf: [schemaOf(option.of), list] } : list;
    }
    case "object": {
      const forms = [objectSchema(option.members), ...(option.orBoolean ? [{ type: "boolean" }] : [])];
      if (option.orMember) forms.push(schemaOf(option.members[option.orMember] as Option) as JsonSchema);
      return forms.length > 1 ? { anyOf: forms } : forms[0];
    }
    case "pattern":
      return { type: "string", pattern: option.pattern.source };
    case "image":
      return { type: "string" };
    case "callback":
    case "signal":
      return undefined;
  }
}
