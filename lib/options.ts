export * from "./options/estimate.js";
export * from "./options/generate.js";
export * from "./options/model.js";
export * from "./options/native.js";
export * from "./options/tables.js";
