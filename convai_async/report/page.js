"use strict";
// Draws the charts, and recomputes tables and key figures for the days and the agent that the reader selects.
// It mirrors _definitions.py, _cubes.py and _formatting.py. Text from the archive is only ever set as textContent.
(() => {
  const report = JSON.parse(document.getElementById("report").textContent);
  const SELECTORS = ["volume", "agents"];
  const MISSING = "-";
  const selection = { first: null, last: null, agent: null };
  const drawn = {};
  const original = new Map();

  // Cubes: flat indexes as differences, and a list for each measure.
  const decode = (cube) => {
    const sizes = [...cube.sizes].reverse();
    let at = 0;
    const keys = cube.at.map((step) => {
      at += step;
      let rest = at;
      const parts = sizes.map((size) => {
        const part = rest % size;
        rest = (rest - part) / size;
        return part;
      });
      return [rest, ...parts.reverse()];
    });
    return { ...cube, keys };
  };
  const cubes = Object.fromEntries(Object.entries(report.cubes).map(([name, cube]) => [name, decode(cube)]));

  const bucketOf = (cell) => Math.floor(cell / report.agents.length);
  const agentOf = (cell) => cell % report.agents.length;
  const hasDay = (bucket) => selection.first === null || (bucket >= selection.first && bucket <= selection.last);
  const hasAgent = (agent) => selection.agent === null || agent === selection.agent;
  const isSelected = (cell, fixed) =>
    (fixed === "bucket" || hasDay(bucketOf(cell))) && (fixed === "agent" || hasAgent(agentOf(cell)));
  const isFiltered = () => selection.first !== null || selection.agent !== null;

  const newGroup = (cube) => ({ cube, sums: cube.measures.map(() => 0), bins: cube.measures.map(() => new Map()) });
  const add = (group, row, bin) => {
    group.cube.values.forEach((values, place) => {
      group.sums[place] += values[row];
      if (bin) group.bins[place].set(bin - 1, (group.bins[place].get(bin - 1) ?? 0) + values[row]);
    });
  };
  const lowerEdge = (number) => (number === 0 ? 0 : report.edges[Math.min(number, report.edges.length) - 1]);
  const percentile = (bins, share, width) => {
    const sorted = [...bins].sort((one, other) => one[0] - other[0]);
    const wanted = share * sorted.reduce((sum, [, count]) => sum + count, 0);
    let below = 0;
    for (const [number, count] of sorted) {
      if (below + count >= wanted && wanted > 0) {
        const low = lowerEdge(number);
        return low + ((lowerEdge(number + width) - low) * (wanted - below)) / count;
      }
      below += count;
    }
    return null;
  };
  const compute = (column, group, total) => {
    const sum = (each, name) => each.sums[each.cube.measures.indexOf(name)];
    switch (column.type) {
      case "sum":
        return sum(group, column.name);
      case "ratio": {
        const whole = column.whole.reduce((all, name) => all + sum(group, name), 0);
        return whole ? sum(group, column.part) / whole : null;
      }
      case "share":
        return sum(group, column.of) / (sum(total, column.of) || 1);
      default:
        return percentile(group.bins[group.cube.measures.indexOf(column.measure)], column.share, group.cube.width);
    }
  };
  const readPart = (column, key) =>
    column.by === "bucket" ? bucketOf(key[0]) : column.by === "agent" ? agentOf(key[0]) : key[1 + column.by];
  const readLabel = (cube, column, part) =>
    column.by === "bucket" ? report.buckets[part] : column.by === "agent" ? report.agents[part] : cube.labels[column.by][part];

  const computeTable = (definition) => {
    const cube = cubes[definition.cube];
    const labels = definition.columns.filter((column) => column.type === "label");
    const others = definition.columns.slice(labels.length);
    const groups = new Map();
    const total = newGroup(cube);
    cube.keys.forEach((key, row) => {
      if (!isSelected(key[0], definition.fixed)) return;
      const bin = cube.width ? key[key.length - 1] : 0;
      const parts = labels.map((column) => readPart(column, key));
      const name = parts.join();
      if (!groups.has(name)) groups.set(name, { parts, ...newGroup(cube) });
      add(groups.get(name), row, bin);
      add(total, row, bin);
    });
    const compareParts = (one, other) => {
      const place = one.parts.findIndex((part, index) => part !== other.parts[index]);
      return place < 0 ? 0 : one.parts[place] - other.parts[place];
    };
    const rows = [...groups.values()].sort(compareParts).map((group) => ({
      parts: group.parts,
      cells: [
        ...labels.map((column, place) => readLabel(cube, column, group.parts[place])),
        ...others.map((column) => compute(column, group, total)),
      ],
    }));
    if (definition.order === "number") {
      const isOther = (row) => labels.some((_, place) => report.others.includes(row.cells[place]));
      const number = (row) => row.cells[labels.length] ?? 0;
      rows.sort((one, other) => isOther(one) - isOther(other) || number(other) - number(one));
    }
    return rows;
  };
  const computeFigure = (figure) => {
    const cube = cubes[figure.cube];
    const group = newGroup(cube);
    cube.keys.forEach((key, row) => {
      if (!isSelected(key[0]) || (figure.only !== null && cube.labels[0][key[1]] !== figure.only)) return;
      add(group, row, cube.width ? key[key.length - 1] : 0);
    });
    return compute(figure.column, group, group);
  };

  const write = (value, digits) =>
    value.toLocaleString("en-US", {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
      roundingMode: "halfEven", // as Python rounds
    });
  const writeSeconds = (seconds) => {
    const whole = Math.round(seconds);
    const pad = (number) => String(number).padStart(2, "0");
    if (whole >= 3600) return `${Math.floor(whole / 3600)}:${pad(Math.floor((whole % 3600) / 60))} h`;
    if (whole >= 60) return `${Math.floor(whole / 60)}:${pad(whole % 60)} min`;
    return seconds < 10 ? `${write(seconds, 2)} s` : `${whole} s`;
  };
  const format = (value, form) => {
    if (value === null) return MISSING;
    if (typeof value === "string") return value;
    switch (form) {
      case "percent":
        return `${write(100 * value, 1)} %`;
      case "seconds":
        return writeSeconds(value);
      case "minutes":
        return write(value / 60, 0);
      case "dollars":
        return `$${write(value, value > 0 && value < 0.1 ? 4 : 2)}`;
      case "score":
        return write(value, 2);
      default:
        return write(value, 0);
    }
  };

  const element = (name, text, parent) => {
    const made = document.createElement(name);
    made.textContent = text;
    parent.append(made);
    return made;
  };
  const keep = (node) => {
    if (!original.has(node)) original.set(node, [...node.childNodes].map((child) => child.cloneNode(true)));
  };
  const restore = (node) => node.replaceChildren(...original.get(node).map((child) => child.cloneNode(true)));

  const fillTable = (name, definition) => {
    const body = document.querySelector(`[data-table="${name}"] tbody`);
    keep(body);
    if (!isFiltered()) return restore(body);
    body.replaceChildren();
    for (const row of computeTable(definition)) {
      const line = element("tr", "", body);
      row.cells.forEach((value, place) => {
        const column = definition.columns[place];
        const cell = element(column.type === "label" ? "th" : "td", format(value, column.format), line);
        if (column.type === "label") cell.scope = "row";
      });
    }
  };

  const tooltip = document.getElementById("tooltip");
  const showTooltip = (_handler, event, _item, value) => {
    tooltip.hidden = !value;
    if (!value) return;
    tooltip.replaceChildren();
    for (const [name, text] of Object.entries(value)) {
      element("b", name, tooltip);
      element("span", String(text), tooltip);
    }
    const space = document.documentElement.clientWidth - tooltip.offsetWidth - 8;
    tooltip.style.left = `${Math.min(event.clientX + 14, space)}px`;
    tooltip.style.top = `${event.clientY + 14}px`;
  };

  const rowsFor = (definition) =>
    computeTable(definition).map((row) => {
      const named = Object.fromEntries(row.cells.map((value, place) => [definition.columns[place].name, value]));
      if (definition.fixed === "bucket") named.selected = hasDay(row.parts[0]);
      if (definition.fixed === "agent") named.selected = hasAgent(row.parts[0]);
      return named;
    });
  const embed = async (name, rows) => {
    const node = document.querySelector(`[data-chart="${name}"]`);
    drawn[name]?.finalize();
    delete drawn[name];
    node.replaceChildren();
    node.classList.toggle("is-empty", rows.length === 0);
    if (rows.length === 0) return; // Vega cannot draw an axis of nothing
    const spec = structuredClone(report.charts[name].spec);
    spec.data = { name: report.dataset, values: rows };
    // Without `ast`, Vega would compile expressions with Function(), which the policy of the page forbids.
    const options = { ast: true, actions: false, renderer: "svg", defaultStyle: false, logLevel: 1, tooltip: showTooltip };
    drawn[name] = await vegaEmbed(node, spec, options);
    const { view } = drawn[name];
    if (name === "volume") view.addSignalListener("days", (_, value) => selectDays(Object.values(value)[0]));
    if (name === "agents") view.addSignalListener("agent", (_, value) => selectAgent(value.agent?.[0]));
  };
  const draw = (name, isNew) => {
    const { table, needs } = report.charts[name];
    const isDrawable = (row) => needs.length === 0 || needs.some((column) => row[column] !== null);
    const rows = rowsFor(report.tables[table]).filter(isDrawable);
    if (isNew || !drawn[name] || rows.length === 0) return embed(name, rows);
    return drawn[name].view.data(report.dataset, rows).runAsync();
  };

  let isDue = false;
  let isRedrawDue = false; // of the charts in which days and agents are selected, to remove their marks
  const update = () => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(render);
  };
  const selectDays = (range) => {
    const [low, high] = (range ?? [0, 0]).map((moment) => +moment / 1000);
    const inside = report.starts
      .map((start, bucket) => ({ bucket, start, end: report.starts[bucket + 1] ?? report.end }))
      .filter(({ start, end }) => {
        const middle = (start + end) / 2; // a bar counts if its middle is marked, or all that is marked is in it
        return (low <= middle && middle < high) || (start <= low && high <= end && low < high);
      });
    selection.first = inside.length ? inside[0].bucket : null;
    selection.last = inside.length ? inside[inside.length - 1].bucket : null;
    update();
  };
  const selectAgent = (name) => {
    selection.agent = name === undefined ? null : report.agents.indexOf(name);
    update();
  };

  const controls = Object.fromEntries(["from", "to", "agent", "reset"].map((id) => [id, document.getElementById(id)]));
  const showSelection = () => {
    const number = (value) => (value === null ? "" : String(value));
    controls.from.value = number(selection.first);
    controls.to.value = number(selection.last);
    controls.agent.value = number(selection.agent);
    controls.reset.disabled = !isFiltered();
    const days =
      selection.first === null
        ? "the whole period"
        : selection.first === selection.last
          ? report.buckets[selection.first]
          : `${report.buckets[selection.first]} to ${report.buckets[selection.last]}`;
    const agent = selection.agent === null ? "all agents" : report.agents[selection.agent];
    document.getElementById("shown").textContent = `Showing ${days}, ${agent}.`;
  };

  const render = async () => {
    isDue = false;
    showSelection();
    for (const [name, figure] of Object.entries(report.figures)) {
      const node = document.querySelector(`[data-figure="${name}"]`);
      keep(node);
      if (isFiltered()) node.textContent = format(computeFigure(figure), figure.column.format);
      else restore(node);
    }
    for (const node of document.querySelectorAll("[data-change]")) node.hidden = isFiltered();
    for (const [name, definition] of Object.entries(report.tables)) fillTable(name, definition);
    for (const row of document.querySelectorAll("[data-cell]")) row.hidden = !isSelected(Number(row.dataset.cell));
    const isNew = isRedrawDue;
    isRedrawDue = false;
    await Promise.all(Object.keys(report.charts).map((name) => draw(name, isNew && SELECTORS.includes(name))));
    const root = document.documentElement.dataset;
    root.rendered = String(Number(root.rendered ?? 0) + 1);
  };

  const readNumber = (control) => (control.value === "" ? null : Number(control.value));
  const readControls = (changed) => {
    let [first, last] = [readNumber(controls.from), readNumber(controls.to)];
    if (changed === "from" && last === null) last = first === null ? null : report.starts.length - 1;
    if (changed === "to" && first === null) first = last === null ? null : 0;
    if (first === null || last === null) first = last = null;
    if (first > last) [first, last] = changed === "from" ? [first, first] : [last, last];
    Object.assign(selection, { first, last, agent: readNumber(controls.agent) });
    isRedrawDue = true;
    update();
  };
  for (const name of ["from", "to", "agent"]) controls[name].addEventListener("change", () => readControls(name));
  controls.reset.addEventListener("click", () => {
    for (const name of ["from", "to", "agent"]) controls[name].value = "";
    readControls("reset");
  });
  document.getElementById("controls").hidden = false;

  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
  render();
})();
