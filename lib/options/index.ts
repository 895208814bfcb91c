export * from "./estimate.js";
export * from "./generate.js";
export * from "./model.js";
export * from "./native.js";
export * from "./tables.js";
