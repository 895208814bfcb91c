import type { Family, ModelFiles } from "./files.js";
import type { ModelDefaults } from "./model.js";

export interface PullOptions {
  /**
   * You accept the license of the model; that is remembered for this version of the license. Default: false, and LicenseError with the
   * license when it has not been accepted before.
   */
  acceptLicense?: boolean;
  /** Files that come at the same time, 1 to 16. Default: 4. */
  connections?: number;
  /** Stops the pull, which rejects with the signal's reason. What has come is kept, and the next pull goes on from there. */
  signal?: AbortSignal;
  /** Called with each event; what it throws is ignored. */
  onProgress?: (event: PullEvent) => void;
}

export interface PulledModel {
  /** The id, also when an alias was given. */
  id: string;
  /** As `loadModel` takes them. */
  files: ModelFiles;
  /** Of all files. */
  bytes: number;
  /** Bytes that were received by this pull. */
  received: number;
  license: string;
  /** The license's text. */
  licenseFile: string;
}

/** A file's way through a pull. */
export interface PullFileEvent {
  type: "file";
  /** As the repository names it. */
  file: string;
  /**
   * `present`: was complete; `start`: from the first byte; `resume`: where it was left; `restart`: from the first byte again, since the file on
   * the hub, or the part on disk, is not what it was; `waiting`: another process is at it; `done`: complete and checked.
   */
  status: "present" | "start" | "resume" | "restart" | "waiting" | "done";
  /** Bytes on disk, and of the whole file; the latter is rounded until the hub has told it. */
  bytes: number;
  size: number;
}

/** How far a file and the whole pull are; a few times a second. */
export interface PullProgressEvent {
  type: "progress";
  file: string;
  /** `check` is the reading of what an earlier pull has left. */
  phase: "check" | "download";
  bytes: number;
  size: number;
  /** All files of the model, with those that were there. */
  totalBytes: number;
  totalSize: number;
  /** Received in the last five seconds, all files together. */
  bytesPerSecond: number;
  /** Seconds to the end of the whole pull; Infinity (null in JSON) while nothing comes. */
  eta: number;
}

/** A failure that may be mended by waiting. */
export interface PullRetryEvent {
  type: "retry";
  file: string;
  reason: string;
  /** Failures in a row, and how many there may be. */
  failures: number;
  retries: number;
  /** Seconds until the next try. */
  delay: number;
}

export type PullEvent = PullFileEvent | PullProgressEvent | PullRetryEvent;

/** What of a file or model is on disk. */
export type FileState = "complete" | "partial" | "absent";

export interface ListedFile {
  /** The option of `loadModel` that takes it. */
  role: keyof ModelFiles;
  /** Where it is, or will be. */
  path: string;
  state: FileState;
  /** Of the whole file; rounded where only the hub knows it exactly. */
  bytes: number;
  bytesOnDisk: number;
}

/** A model that `preset` takes. */
export interface ListedModel {
  id: string;
  /** Shorter names for it. */
  aliases: string[];
  family: Family;
  license: string;
  /** The hub gives it only to accounts that have asked for it: `pull` needs `HF_TOKEN`. */
  gated: boolean;
  /** `included`: part of the package. `partial`: a pull was begun, or other models share some of the files. */
  state: FileState | "included";
  /** Of all files. */
  bytes: number;
  bytesOnDisk: number;
  files: ListedFile[];
  /** What `generate` takes when no option says otherwise. */
  defaults: ModelDefaults;
}

/** A license, and in short what it says; the license decides, not the summary. */
export interface LicenseSummary {
  name: string;
  version: string;
  url: string;
  summary: string[];
}
