/** How patient a pull is. Times in milliseconds. */
export interface PullSettings {
  /** How long a connection may take to come about, or be silent. */
  stallTimeout: number;
  /** Failures in a row, without a byte gained, after which it gives up. */
  retries: number;
  /** First pause; doubled with each failure in a row. */
  pause: number;
  /** Longest pause of ours, and the longest that a server may ask for. */
  maxPause: number;
  maxRetryAfter: number;
  /** See `withLock`. */
  lockPatience: number;
}

export const defaultSettings: PullSettings = {
  stallTimeout: 60_000,
  retries: 6,
  pause: 1000,
  maxPause: 60_000,
  maxRetryAfter: 600_000,
  lockPatience: 60_000,
};

/** A failure that another try may mend. */
export class TransientError extends Error {
  /** Milliseconds that the server asked to wait. */
  readonly retryAfter?: number;

  constructor(message: string, { cause, retryAfter }: { cause?: unknown; retryAfter?: number } = {}) {
    super(message, { cause });
    this.name = "TransientError";
    this.retryAfter = retryAfter;
  }
}

/** Milliseconds of a Retry-After header, which has seconds or a date. */
export function retryAfter(header: string | undefined, now = Date.now()): number | undefined {
  if (!header) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const date = header.endsWith("GMT") ? Date.parse(header) : Number.NaN; // else Date.parse finds a year in anything
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** The pause before try `failures + 1`: doubling, at random between the half and the whole of it, and never less than what the server asked. */
export function pauseAfter(failures: number, asked: number | undefined, settings: PullSettings, random = Math.random()): number {
  const longest = Math.min(settings.maxPause, settings.pause * 2 ** (failures - 1));
  return Math.max(asked ?? 0, longest * (0.5 + random / 2));
}
