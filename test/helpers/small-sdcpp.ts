/** `sdcpp` with the small catalog, or with the one in the file `TEST_CATALOG`, for tests that need a process of its own. */
import { readFileSync } from "node:fs";
import { replaceCatalog } from "../../lib/catalog/catalog.js";
import { smallCatalog } from "./catalog.js";

const { TEST_CATALOG: file } = process.env;
replaceCatalog(file ? JSON.parse(readFileSync(file, "utf8")) : smallCatalog());
void import("../../lib/cli/cli.js");
