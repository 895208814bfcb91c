import type { EstimateOptions } from "../types/index.js";
import { checkOptions } from "./check.js";
import { type CheckedModelOptions, checkModelOptions } from "./model.js";
import { estimateModelOptions, estimatePictureOptions } from "./tables.js";

/** Checked options of `estimateMemory`: those of a load, and those of a picture, which are checked again when the model is known. */
export interface CheckedEstimateOptions {
  model: CheckedModelOptions;
  picture: Pick<EstimateOptions, "width" | "height" | "batchCount" | "vaeTiling" | "hires" | "preview">;
  chunks: number;
  t5Tokens?: number;
  imageToImage: boolean;
}

/** Checks the options of `estimateMemory`; throws InvalidOptionError. */
export function checkEstimateOptions(options: unknown): CheckedEstimateOptions {
  checkOptions({ ...estimateModelOptions, ...estimatePictureOptions }, options);
  const given = options as EstimateOptions & Record<string, unknown>;
  const of = (names: object) => Object.fromEntries(Object.keys(names).flatMap((name) => (name in given ? [[name, given[name]]] : [])));
  const { chunks: _chunks, t5Tokens: _t5Tokens, imageToImage: _imageToImage, ...picture } = estimatePictureOptions;
  const { chunks = 1, t5Tokens, imageToImage = false } = given;
  return { model: checkModelOptions(of(estimateModelOptions)), picture: of(picture), chunks, t5Tokens, imageToImage };
}
