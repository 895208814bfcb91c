import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { describeDrivers } from "../../../lib/report/drivers.js";
import { describeEnvironment } from "../../../lib/report/environment.js";

let root: string;
before(async () => {
  root = await mkdtemp(path.join(tmpdir(), "sdcpp-drivers-"));
});
after(() => rm(root, { recursive: true, force: true }));

async function put(file: string, content: string): Promise<void> {
  const at = path.join(root, file);
  await mkdir(path.dirname(at), { recursive: true });
  await writeFile(at, content);
}

const unix = { skip: process.platform === "win32" && "makes links" };

test("drivers by the files of the system; what is damaged or missing is left out", unix, async () => {
  assert.deepEqual(describeDrivers(root, "linux", {}), {});
  await put(
    "proc/driver/nvidia/version",
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.14  Release Build\nGCC version: 12\n",
  );
  await put("usr/lib/x86_64-linux-gnu/libcuda.so.550.54.14", "");
  await symlink("libcuda.so.550.54.14", path.join(root, "usr/lib/x86_64-linux-gnu/libcuda.so.1"));
  await put("sys/module/amdgpu/version", "6.3.6\n");
  await put("sys/class/drm/card0/device/vendor", "0x1002\n");
  await symlink("../../../../bus/pci/drivers/amdgpu", path.join(root, "sys/class/drm/card0/device/driver"));
  const icd = { ICD: { library_path: "/usr/lib/libvulkan_radeon.so", api_version: "1.3.274" } };
  await put("usr/share/vulkan/icd.d/radeon.json", JSON.stringify(icd));
  await put("usr/share/vulkan/icd.d/broken.json", "{");
  assert.deepEqual(describeDrivers(root, "linux", {}), {
    "NVIDIA kernel module": "550.54.14",
    "kernel module amdgpu": "6.3.6",
    "libcuda.so.1": "550.54.14",
    "Vulkan driver libvulkan_radeon.so": "Vulkan 1.3.274",
  });
  const chosen = describeDrivers(root, "linux", { VK_DRIVER_FILES: "/nowhere.json" });
  assert.equal(chosen["Vulkan driver libvulkan_radeon.so"], undefined, "only those that the variable names");
  assert.deepEqual(describeDrivers(root, "darwin", {}), {});
});

test("the older wording of NVIDIA's module", async () => {
  await put("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.82.01  Wed Oct 27\n");
  assert.equal(describeDrivers(root, "linux", {})["NVIDIA kernel module"], "470.82.01");
});

test("variables: values of harmless ones alone, and nothing of others", () => {
  const env = {
    PATH: "/bin",
    SDCPP_BACKEND: "vulkan:0",
    GGML_VK_VISIBLE_DEVICES: "0",
    HF_TOKEN: "hf_secret",
    HTTPS_PROXY: "http://user:password@proxy:3128",
    https_proxy: "http://other:3128",
    SDCPP_OTHER: "private",
    HF_ENDPOINT: "",
    GGML_NO_BACKTRACE: "1",
  };
  assert.deepEqual(Object.entries(describeEnvironment(env)), [
    ["GGML_VK_VISIBLE_DEVICES", "0"],
    ["HF_TOKEN", "(set)"],
    ["HTTPS_PROXY", "(set)"],
    ["SDCPP_BACKEND", "vulkan:0"],
    ["SDCPP_OTHER", "(set)"],
    ["https_proxy", "(set)"],
  ]);
});
