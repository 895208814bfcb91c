import type { NextConfig } from "next";

const config: NextConfig = {
  serverExternalPackages: ["node-sd-cpp"], // a native addon, which has to stay in node_modules
};

export default config;
