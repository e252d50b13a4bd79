/**
 * `tricks-on-device.js DEVICE [CASE]...`: trains every case (or those that are named; of the CPU, all that every libtorch can) on the CPU and on the device,
 * and prints how far apart they are: a line of JSON a case. On a GPU it wants NVIDIA_TF32_OVERRIDE=0: TF32 rounds as 16-bit numbers do. Ends with 1 where a
 * case is not within its tolerance.
 */
import { DEVICE_CASES, PLAIN } from "../support/device-cases.js";
import { compareWithCpu, isWithin, toleranceOf } from "../support/device-difference.js";

const [device = "cpu", ...wanted] = process.argv.slice(2);
for (const [name, example] of Object.entries(DEVICE_CASES)) {
  const isWanted = wanted.length > 0 ? wanted.includes(name) : device !== "cpu" || !example.onCpu;
  if (!isWanted) continue;
  const begun = performance.now();
  const tolerance = toleranceOf(example);
  const result = await compareWithCpu(example, { device, engine: PLAIN }).then(
    (difference) => ({ passed: isWithin(difference, tolerance), ...difference }),
    (error: unknown) => ({ passed: false, error: error instanceof Error ? error.message : String(error) }),
  );
  if (!result.passed) process.exitCode = 1;
  const seconds = Number(((performance.now() - begun) / 1000).toFixed(1));
  console.log(JSON.stringify({ case: name, ...result, tolerance, seconds }));
}
