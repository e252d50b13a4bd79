/** Curves of any size have an axis that people can read, and what cannot be drawn leaves nothing running. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { chartSvg, FILE_COLORS } from "../../src/pages/chart.js";
import { linePanels, type Point } from "../../src/pages/line-chart.js";

const SIZE = { width: 900, height: 250 };

/** What stands beside the axis of values. */
function labelsOf(values: readonly number[], farFromZero: boolean): string[] {
  const points = values.map((value, i): Point => [i, value]);
  const panel = { title: "title", farFromZero, curves: [{ name: "curve", points, color: "first" }] } as const;
  const svg = chartSvg(linePanels([panel], { panelHeight: 250, colors: FILE_COLORS, xName: "epoch" }), SIZE);
  assert.doesNotMatch(svg, /NaN|Infinity/);
  const texts = [...svg.matchAll(/<text[^>]*text-anchor="end"[^>]*>([^<]*)<\/text>/g)];
  return texts.map(([, text]) => text as string);
}

const CURVES = [
  [0, 1e-20],
  [1e-21, 1e-21],
  [1e-300, 2e-300],
  [0, 5e-324],
  [-1e-25, 1e-25],
  [0, 5e-5],
  [0, 0.1],
  [2.3, 2.5],
  [0, 65536],
  [1e19, 1e21],
  [0, 1e300],
  [-1e308, 1.7e308],
];

for (const values of CURVES) {
  test(`an axis from ${values[0]} to ${values[1]}`, () => {
    for (const farFromZero of [false, true]) {
      const labels = labelsOf(values, farFromZero);
      assert.ok(labels.length >= 3, labels.join(" "));
      for (const label of labels) assert.ok(label.length <= 8, label); // what there is room for
      const [smallest, largest] = [Math.min(...values), Math.max(...values)];
      const numbers = labels.map((label) => Number(label.replaceAll(",", "")));
      assert.ok(Math.min(...numbers) <= smallest && Math.max(...numbers) >= largest, labels.join(" "));
    }
  });
}

test("what cannot be drawn keeps no thread alive", () => {
  const program = `
    import { chartSvg } from ${JSON.stringify(new URL("../../src/pages/chart.js", import.meta.url).href)};
    const formatter = () => { throw new Error("no label"); };
    const option = { xAxis: {}, yAxis: { axisLabel: { formatter } }, series: [{ type: "line", data: [[0, 1], [1, 2]] }] };
    try { chartSvg(option, { width: 100, height: 100 }); } catch (error) { console.log(error.message); }`;
  const { status, stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.deepEqual([status, stdout], [0, "no label\n"]);
});

test("an axis of percents ends at 100 at most, and the best epoch is marked", () => {
  for (const values of [
    [81, 100],
    [99.2, 99.9],
    [5, 99],
    [100, 100],
    [62, 62],
    [40, 70],
  ]) {
    const points = values.map((value, i): Point => [i, value]);
    const curves = [{ name: "curve", points, color: "first" }] as const;
    const panel = { title: "title", farFromZero: true, percent: true, mark: { at: 1, name: "best" }, curves };
    const svg = chartSvg(linePanels([panel], { panelHeight: 250, colors: FILE_COLORS, xName: "epoch" }), SIZE);
    const labels = [...svg.matchAll(/<text[^>]*text-anchor="end"[^>]*>([^<]*)<\/text>/g)].map(([, text]) =>
      Number(text),
    );
    assert.ok(labels.length >= 3 && Math.max(...labels) <= 100, `${values}: ${labels.join(" ")}`);
    assert.ok(Math.max(...labels) < 100 || Math.max(...values) > 80 || values[0] === values[1], labels.join(" "));
    assert.match(svg, />best<\/text>/);
  }
});
