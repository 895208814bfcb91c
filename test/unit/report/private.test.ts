import assert from "node:assert/strict";
import { homedir } from "node:os";
import { describe, test } from "node:test";
import { anonymizer, anonymous, whoIsHere } from "../../../lib/report/private.js";

const jane = { homes: ["/home/jane.doe"], users: ["jane.doe"], hosts: ["janes-laptop"] };

describe("texts that say who somebody is", () => {
  const clean = anonymizer(jane);
  const cases: [string, string][] = [
    ["/home/jane.doe/.cache/node-sd-cpp", "~/.cache/node-sd-cpp"],
    ["/home/jane.doe", "~"],
    ["cannot open '/home/jane.doe/lib.so': No such file", "cannot open '~/lib.so': No such file"],
    ["/home/jane.doe/a:/home/jane.doe/b", "~/a:~/b"],
    ["/home/janet/x and /home/jane.doe2/y", "/home/<user>/x and /home/<user>/y"],
    ["/Users/Some Body/Library", "/Users/<user>/Library"],
    ["/media/jane.doe/stick/prebuilds", "/media/<user>/stick/prebuilds"],
    ["owner Jane.Doe (janes-laptop.local)", "owner <user> (<host>.local)"],
    ["/usr/lib/libvulkan.so.1", "/usr/lib/libvulkan.so.1"],
    ["trajane.doer", "trajane.doer"],
  ];
  for (const [before, after] of cases) test(before, () => assert.equal(clean(before), after));

  test("homes of Windows with either slash, doubled ones, and any case", () => {
    const windows = anonymizer({ homes: ["C:\\Users\\Jane Doe"], users: ["Jane Doe"], hosts: [] });
    assert.equal(windows("C:\\Users\\Jane Doe\\AppData\\x"), "~\\AppData\\x");
    assert.equal(windows("c:/users/jane doe/AppData"), "~/AppData");
    assert.equal(windows('{"file":"C:\\\\Users\\\\Jane Doe\\\\x"}'), '{"file":"~\\\\x"}');
    assert.equal(windows("C:\\Users\\JANEDO~1\\AppData\\Temp"), "C:\\Users\\<user>\\AppData\\Temp");
    assert.equal(windows("by Jane Doe"), "by <user>");
  });

  test("a home that is the root of the file system hides nothing", () => {
    assert.equal(anonymizer({ homes: ["/"], users: [], hosts: [] })("/usr/lib"), "/usr/lib");
  });

  test("all texts of an object, not the names of its members", () => {
    const found = { "jane.doe": [{ file: "/home/jane.doe/x", bytes: 3 }], none: undefined };
    assert.deepEqual(anonymous(found, jane), { "jane.doe": [{ file: "~/x", bytes: 3 }], none: undefined });
  });
});

test("who is here: the environment's names count as well, those that every machine has do not", () => {
  const { homes, users, hosts } = whoIsHere({ HOME: "/srv/people/jdoe77", USER: "jdoe77", USERNAME: "root", COMPUTERNAME: "JDOE-PC" });
  assert.ok(homes.includes("/srv/people/jdoe77") && homes.includes(homedir()));
  assert.ok(users.includes("jdoe77") && !users.includes("root"));
  assert.ok(hosts.includes("JDOE-PC"));
});
