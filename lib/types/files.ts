/** Model families whose defaults the package knows. */
export type Family =
  | "sd3.5-large"
  | "sd3.5-large-turbo"
  /** TensorArt's distillation of Large for 8 steps. */
  | "sd3.5-large-turbox"
  | "sd3.5-medium"
  /** TensorArt's distillation of Medium for 8 steps. */
  | "sd3.5-medium-turbo"
  /** Stability AI's distillation of Medium for 4 steps. */
  | "sd3.5-flash"
  | "sd3-medium"
  | "demo";

/** The parts that a picture is made with. */
export type PartName = "diffusion" | "clipL" | "clipG" | "t5xxl" | "vae" | "taesd";

/** Paths of a model's parts: GGUF or safetensors files in the original layout or diffusers'; of split ones any part, or the index. */
export interface ModelFiles {
  /**
   * An all-in-one file: diffusion model, and possibly text encoders and VAE (tensor names begin with `model.diffusion_model.`). Or a folder, as in
   * `files`.
   */
  model?: string;
  /** A file with the diffusion transformer alone (city96 style: `joint_blocks…`; diffusers: `transformer_blocks…`). */
  diffusionModel?: string;
  /** CLIP-L text encoder (OpenAI ViT-L/14). At least one text encoder is needed, here or inside `model`. */
  clipL?: string;
  /** CLIP-G text encoder (OpenCLIP ViT-bigG/14). */
  clipG?: string;
  /** T5-XXL text encoder. */
  t5xxl?: string;
  /** The 16-channel SD 3.5 VAE. A VAE or TAESD is needed, here or inside `model`. */
  vae?: string;
  /** TAESD3, a tiny autoencoder that replaces the VAE: much faster, slightly less detail. */
  taesd?: string;
}
