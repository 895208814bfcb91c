import path from "node:path";
import { mostFlowShift } from "../catalog/families.js";
import { UnsupportedModelError } from "../errors.js";
import { readConfig } from "./config.js";
import { shown } from "./cursor.js";

/** diffusers' schedulers of flow models, and those that are with `use_flow_sigmas`. */
const flows = /^FlowMatch(Euler|Heun)DiscreteScheduler$|^FlowMatchLCMScheduler$/;
const both = /^(DPMSolverMultistep|DPMSolverSinglestep|UniPCMultistep|DEISMultistep|SASolver|SASolverMultistep)Scheduler$/;

/** What members may be; null and absent are diffusers' defaults, which fit. */
const members: Record<string, readonly unknown[]> = {
  prediction_type: ["flow_prediction", "flow"],
  use_dynamic_shifting: [false],
  num_train_timesteps: [1000],
  shift_terminal: [],
  invert_sigmas: [false],
  use_karras_sigmas: [false],
  use_exponential_sigmas: [false],
  use_beta_sigmas: [false],
  stochastic_sampling: [false],
};

/**
 * The flow shift that the scheduler of a diffusers folder has (`scheduler/scheduler_config.json`); undefined without one.
 * @throws UnsupportedModelError for a scheduler that is not of a flow model, or makes its steps in a way that is not known here
 * @throws ModelFileError for a file that is malformed
 */
export async function readFlowShift(folder: string): Promise<number | undefined> {
  const file = path.join(folder, "scheduler", "scheduler_config.json");
  const config = await readConfig(file);
  if (!config) return undefined;
  const refuse = (what: string): never => {
    throw new UnsupportedModelError(`${file} ${what}; where that is not meant, give the folder's weights by themselves (files)`);
  };
  const { _class_name: name = "FlowMatchEulerDiscreteScheduler", use_flow_sigmas: flow } = config;
  const text = String(name);
  if (!flows.test(text) && !(both.test(text) && flow === true && config.prediction_type === "flow_prediction"))
    refuse(`describes ${shown(text)}, expected a scheduler of a flow model such as FlowMatchEulerDiscreteScheduler`);
  for (const [member, expected] of Object.entries(members)) {
    const value = config[member];
    if (value != null && !expected.includes(value)) {
      const wanted = expected.length ? expected.map((one) => JSON.stringify(one)).join(" or ") : "none";
      refuse(`has ${member} ${JSON.stringify(value).slice(0, 60)}, expected ${wanted}`);
    }
  }
  const shift = (flows.test(text) ? config.shift : config.flow_shift) ?? 1; // diffusers' default
  if (typeof shift !== "number" || !(shift > 0 && shift <= mostFlowShift))
    return refuse(`has shift ${JSON.stringify(shift).slice(0, 60)}, expected a number above 0 and up to ${mostFlowShift}`);
  return shift;
}
