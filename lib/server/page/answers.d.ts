/** What the native API answers, for those who check the page's JavaScript; not served. */

type Picture = { name: string; time: string; url: string; thumbnail: string; parameters: Record<string, any> | null };

type Job = {
  id: string;
  kind: string;
  model: string;
  status: string;
  position?: number;
  created: string;
  progress: Record<string, any>;
  images: { url: string; seed?: string }[];
  error?: Record<string, any>;
  request: Record<string, any>;
};

type Listed = {
  id: string;
  aliases: string[];
  name: string;
  family: string;
  gated: boolean;
  state: string;
  bytes: number;
  bytes_on_disk: number;
  license?: { name: string; text: string; summary: string[]; accepted: boolean };
};

type Pull = {
  id: string;
  model: string;
  status: string;
  bytes?: number;
  size?: number;
  bytesPerSecond?: number;
  eta?: number;
  phase?: string;
  retry?: string;
  error?: { message: string };
};

type Model = { id: string; aliases: string[]; family?: string; license?: string; max_side?: number; defaults: Record<string, any> };
