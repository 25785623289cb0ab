/*
 * grafana.mjs - what Grafana's own @grafana/data makes of an answer: JSON in on stdin, JSON out on stdout
 *
 * In:  {"jobs": {ID: {"target", "answer", "panel"}},         or "frames", as JSON, for target and answer; panel may lack
 *       "vectors": {ID: {"target", "answer"}}}
 * Out: {"jobs": {ID: {"fields": [{name, type, labels, values, display: its name as shown, text: values as shown}],
 *                               after the panel's transformations,
 *                     "shown":  [{title, text, numeric}] of a panel that reduces}},
 *       "vectors": {ID: frame as JSON}, "units": [every unit there is]}
 *
 * Bundled before it runs: Node 18 cannot load some of the packages otherwise.
 */
import { text } from 'node:stream/consumers';
import * as grafana from '@grafana/data';
import { firstValueFrom } from 'rxjs';
import { frameOf } from './infinity.mjs';

const theme = grafana.createTheme();
const mapped = (object, of) => Object.fromEntries(Object.entries(object ?? {}).map(([id, value]) => [id, of(value)]));

/* Grafana's browser part knows these two of a field's name; the rest of a text stays. */
function replaceVariables(value, scoped) {
  const { frame, field, rowIndex } = scoped?.__dataContext?.value ?? {};
  return value
    .replace(/\$\{__field\.labels\.(\w+)\}/g, (_, name) => field.labels[name])
    .replace(/\$\{__data\.fields\.(\w+)\}/g, (_, name) => frame.fields.find((f) => f.name === name).values[rowIndex]);
}

/* What Grafana registers at start; the options of a panel kind ("custom.") change no value. */
function register() {
  const process = {
    unit: grafana.unitOverrideProcessor,
    decimals: grafana.numberOverrideProcessor,
    min: grafana.numberOverrideProcessor,
    max: grafana.numberOverrideProcessor,
    displayName: grafana.displayNameOverrideProcessor,
    noValue: grafana.stringOverrideProcessor,
    links: grafana.dataLinksOverrideProcessor,
    color: grafana.identityOverrideProcessor,
    thresholds: grafana.thresholdsOverrideProcessor,
  };
  const option = ([id, processor]) => ({ id, path: id, name: id, process: processor, shouldApply: () => true });
  grafana.standardFieldConfigEditorRegistry.setInit(() => Object.entries(process).map(option));

  const { organizeFieldsTransformer: organize } = grafana.standardTransformers;
  grafana.standardTransformersRegistry.setInit(() => [
    { id: organize.id, name: organize.name, transformation: () => Promise.resolve(organize) },
  ]);
}

function described(field, frame, all) {
  return {
    name: field.name,
    type: field.type,
    labels: field.labels ?? {},
    values: Array.from(field.values),
    display: grafana.getFieldDisplayName(field, frame, all),
    text: Array.from(field.values, (v) => grafana.formattedValueToString(field.display(v))),
  };
}

/* Titles and values of stats and bars. */
function reduced(data, fieldConfig, reduceOptions) {
  if (!reduceOptions) return undefined;
  const options = { data, fieldConfig, reduceOptions, replaceVariables, theme, timeZone: 'utc' };
  return grafana.getFieldDisplayValues(options).map(({ display }) => ({
    title: display.title, text: grafana.formattedValueToString(display), numeric: display.numeric,
  }));
}

async function run({ target, answer, frames = [frameOf(target, answer)], panel = {} }) {
  const fieldConfig = panel.fieldConfig ?? { defaults: {}, overrides: [] };
  const read = frames.map(grafana.dataFrameFromJSON);
  const context = { interpolate: (value) => value };
  const turned = await firstValueFrom(grafana.transformDataFrame(panel.transformations ?? [], read, context));
  const data = grafana.applyFieldOverrides({
    data: turned, fieldConfig, fieldConfigRegistry: grafana.standardFieldConfigEditorRegistry, replaceVariables, theme,
    timeZone: 'utc',
  });
  return {
    fields: data.flatMap((frame) => frame.fields.map((field) => described(field, frame, data))),
    shown: reduced(data, fieldConfig, panel.options?.reduceOptions),
  };
}

register();
const input = JSON.parse(await text(process.stdin));
const jobs = {};
for (const [id, job] of Object.entries(input.jobs ?? {})) jobs[id] = await run(job);
const units = grafana.getValueFormats().flatMap((category) => category.submenu.map((unit) => unit.value));
const vectors = mapped(input.vectors, ({ target, answer }) => frameOf(target, answer));
process.stdout.write(JSON.stringify({ jobs, vectors, units }));
