/*
 * infinity.mjs - an answer and a query in, the frame that the Infinity data source makes of them out
 *
 * The rules of its backend parser (3.11.1): keys in sorted order are fields, a column's type converts, without columns
 * the first value that is not null says the type, and a long series becomes a wide one whose text columns are labels.
 * vectors.json holds what Infinity's own libraries make of the same answers.
 */

const convert = {
  string: (v) => (v === null || typeof v === 'object' ? null : String(v)),
  boolean: (v) => (typeof v === 'boolean' ? v : typeof v === 'string' && v.toLowerCase() === 'true' ? true : null),
  number: (v) => (typeof v === 'number' ? v : typeof v === 'string' && v.trim() !== '' && !isNaN(v) ? Number(v) : null),
  timestamp_epoch: (v) =>
    typeof v === 'number' ? Math.trunc(v) : typeof v === 'string' && /^-?\d+$/.test(v) ? Number(v) : null,
  timestamp_epoch_s: (v) => (typeof v === 'number' ? Math.trunc(v) * 1000 : null),
};
const typeOf = (column) => (column.type.startsWith('timestamp') ? 'time' : column.type);

const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/* The type of a field without a column. */
function guess(values) {
  const first = values.find((v) => v !== null);
  if (first !== undefined && typeof first === 'object') throw new Error('an object in a cell');
  return first === undefined ? 'string' : typeof first;
}

function field(name, values, column) {
  if (!column) {
    const type = guess(values);
    if (values.some((v) => v !== null && typeof v !== type)) throw new Error(`${name}: values of several types`);
    return { name, type, values };
  }
  if (!(column.type in convert)) throw new Error(`column type ${column.type}`);
  return { name, type: typeOf(column), values: values.map(convert[column.type]) };
}

/* A selector is a path: these characters would lead elsewhere. */
function plainKey(key) {
  if (/[.*?|#@!{}[\]\\]/.test(key)) throw new Error(`selector ${key} is no plain key`);
  return key;
}

function table(rows, columns) {
  if (rows.length === 0) return [];
  const named = new Map(columns.map((c) => [c.text || c.selector, c]));
  const names = columns.length > 0 ? [...named.keys()] : [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return names.sort(byBytes).map((name) => {
    const key = columns.length > 0 ? plainKey(named.get(name).selector) : name;
    return field(name, rows.map((row) => (Object.hasOwn(row, key) ? row[key] : null)), named.get(name));
  });
}

/* One value field for each combination of labels; null: it cannot be done, and the long frame stays. */
function wide(fields) {
  const time = fields.find((f) => f.type === 'time');
  const labels = fields.filter((f) => f.type === 'string' || f.type === 'boolean');
  const values = fields.filter((f) => f !== time && !labels.includes(f));
  if (!time || labels.length === 0 || values.length === 0) return null;
  if (time.values.some((t, i) => t === null || t < time.values[i - 1])) return null;

  const times = [...new Set(time.values)];
  const at = new Map(times.map((t, i) => [t, i]));
  const found = new Map();
  for (let row = 0; row < time.values.length; row++) {
    for (const value of values) {
      const named = Object.fromEntries(labels.map((f) => [f.name, String(f.values[row] ?? '')]));
      const key = JSON.stringify([value.name, ...Object.values(named)]);
      if (!found.has(key)) {
        found.set(key, { name: value.name, type: value.type, labels: named, values: times.map(() => null) });
      }
      found.get(key).values[at.get(time.values[row])] = value.values[row];
    }
  }
  const order = (a, b) =>
    byBytes(a.name, b.name) || labels.reduce((so, f) => so || byBytes(a.labels[f.name], b.labels[f.name]), 0);
  return [{ ...time, values: times }, ...[...found.values()].sort(order)];
}

/* As JSON that @grafana/data reads. */
export function frameOf(target, answer) {
  const { type, source, parser } = target;
  if (type !== 'json' || source !== 'url' || parser !== 'backend') throw new Error('not handled here');
  const rows = answer[plainKey(target.root_selector)];
  if (!Array.isArray(rows)) throw new Error(`no array at ${target.root_selector}`);
  const long = table(rows, target.columns);
  const fields = (target.format === 'timeseries' && wide(long)) || long;
  return {
    schema: { name: target.refId, refId: target.refId, fields: fields.map(({ values, ...schema }) => schema) },
    data: { values: fields.map((f) => f.values) },
  };
}
