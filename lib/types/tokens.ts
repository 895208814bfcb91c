export interface CountTokensOptions {
  /** The text that T5 gets instead of the prompt. Default: the prompt. */
  t5Prompt?: string;
}

/** What one text encoder makes of a prompt. */
export interface EncoderTokens {
  /** Tokens of the text, without begin, end and padding. */
  tokens: number;
  /** Chunks that this encoder reads one by one: of 75 tokens for the CLIPs (77 with begin and end). T5 reads all in one. */
  chunks: number;
  /**
   * Places that the text takes in the diffusion model's attention, with begin, end and padding: 77 for each chunk of the CLIPs, which stand side
   * by side; for T5 its tokens and an end token, at least 77.
   */
  positions: number;
}

/**
 * A prompt's tokens for each encoder that is loaded. Nothing is ever truncated: what does not fit into a CLIP's chunk goes on in the next. But the
 * pooled vector, which sets the picture's overall style, comes from the CLIPs' first chunk alone.
 */
export interface TokenCounts {
  clipL?: EncoderTokens;
  clipG?: EncoderTokens;
  t5xxl?: EncoderTokens;
  /** Chunks of 77 positions that the encoder with the most takes. `generate` accepts at most 16. */
  chunks: number;
}
