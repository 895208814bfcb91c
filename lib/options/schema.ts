import type { Option, OptionTable } from "./check.js";

/** JSON Schema, 2020-12. */
export type Schema = Readonly<Record<string, unknown>>;

/** What a request's JSON may hold for a table's options: the same kinds, ranges, defaults and words as `checkOptions` has. */
export function schemaOfTable(table: OptionTable, more: Readonly<Record<string, Schema>> = {}): Schema {
  const shown = Object.entries(table).filter(([, { kind }]) => kind !== "callback" && kind !== "signal");
  const required = shown.filter(([, option]) => option.required).map(([name]) => name);
  return {
    type: "object",
    properties: { ...Object.fromEntries(shown.map(([name, option]) => [name, schemaOf(option)])), ...more },
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
  };
}

function schemaOf(option: Option): Schema {
  const { description, default: value, defaultText } = option;
  const text = defaultText === undefined ? description : `${description}. Default: ${defaultText}`;
  const shown = value === undefined || typeof value === "object" ? {} : { default: value };
  return { ...ruleOf(option), description: text, ...shown };
}

function ruleOf(option: Option): Schema {
  switch (option.kind) {
    case "string":
      return { type: "string", maxLength: option.maxBytes, ...(option.filled ? { minLength: 1 } : {}) };
    case "integer":
      return { type: "integer", minimum: option.min, maximum: option.max, ...(option.multipleOf ? { multipleOf: option.multipleOf } : {}) };
    case "number":
      return { type: "number", [option.above ? "exclusiveMinimum" : "minimum"]: option.min, maximum: option.max };
    case "boolean":
      return { type: "boolean" };
    case "enum":
      return { type: "string", enum: option.values };
    case "seed":
      return {
        anyOf: [
          { type: "integer", minimum: 0 },
          { type: "string", pattern: "^[0-9]{1,19}$" },
        ],
      };
    case "list": {
      const list = { type: "array", items: schemaOf(option.of), minItems: option.min, maxItems: option.max };
      return option.orItem ? { anyOf: [schemaOf(option.of), list] } : list;
    }
    case "object": {
      const members = schemaOfTable(option.members);
      const named = option.orMember && option.members[option.orMember];
      const others = [...(option.orBoolean ? [{ type: "boolean" }] : []), ...(named ? [schemaOf(named)] : [])];
      return others.length > 0 ? { anyOf: [...others, members] } : members;
    }
    case "pattern":
      return { type: "string", pattern: option.pattern.source };
    case "image": {
      const picture = { type: "string", contentEncoding: "base64", description: "Bytes of an image file in base64, or a data URL" };
      return option.words ? { anyOf: [{ type: "string", enum: option.words }, picture] } : picture;
    }
    default:
      return {};
  }
}
