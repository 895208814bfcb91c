export interface CountTokensOptions {
  /** The text that T5 gets instead of the prompt. Default: the prompt. */
  t5Prompt?: string;
}

/** What one text encoder makes of a prompt. */
export interface EncoderTokens {
  /** Tokens of the text, without begin, end and padding. */
  tokens: number;
  /** Chunks that this encoder alone needs: of 75 tokens for the CLIPs, of 76 for T5 (77 with begin and end). */
  chunks: number;
}

/**
 * A prompt's tokens for each encoder that is loaded. Nothing is ever truncated: what does not fit into one chunk goes on in the next. But the
 * pooled vector, which sets the picture's overall style, comes from the CLIPs' first chunk alone.
 */
export interface TokenCounts {
  clipL?: EncoderTokens;
  clipG?: EncoderTokens;
  t5xxl?: EncoderTokens;
  /** Chunks that the prompt takes: as many as the encoder with the most needs. `generate` accepts at most 16. */
  chunks: number;
}
