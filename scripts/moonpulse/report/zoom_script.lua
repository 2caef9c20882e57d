--- The page's only script: a timeline that zooms from the session to a pulse. Without it the figures stay,
--- which show the same at fixed scales. What it shows is text, never markup; it asks nothing of any other
--- computer.
return [=[
(function () {
"use strict";
var box = document.getElementById("zoom"), form = document.querySelector("figure.static svg"), data;
if (!box || !form) { return; }
try { data = JSON.parse(box.getAttribute("data-run")); } catch (problem) { return; }
data.marks = data.marks || [];
var pulses = [], time = 0, left = 46, right = 10, state = { level: 0, pulse: 0 };

data.steps.forEach(function (step, n) {
  time += data.deltas[step];
  pulses.push({ t: time, number: data.numbers ? data.numbers[n] : data.first + n,
    error: data.errors ? data.errors[n] : null });
});
for (var r = 0, at = 0; r < data.runs.length; r += 2) {
  for (var c = 0; c < data.runs[r + 1]; c += 1) { pulses[at].kind = data.kinds[data.runs[r]]; at += 1; }
}

function groups(gap) {
  var list = [], first = 0;
  for (var n = 1; n <= pulses.length; n += 1) {
    if (n === pulses.length || pulses[n].t - pulses[n - 1].t >= gap) { list.push([first, n - 1]); first = n; }
  }
  return list;
}
function parts(starts) {
  return starts.map(function (start, n) {
    return [start, (n + 1 < starts.length ? starts[n + 1] : pulses.length) - 1];
  });
}
var levels = [{ name: "Session", of: [[0, pulses.length - 1]] }];
(data.levels || []).forEach(function (level) {
  levels.push({ name: level[0], of: Array.isArray(level[1]) ? parts(level[1]) : groups(level[1]) });
});
levels.push({ name: "Pulse", of: pulses.map(function (pulse, n) { return [n, n]; }) });

function index(level, pulse) {
  var list = levels[level].of, low = 0, high = list.length - 1;
  while (low < high) {
    var middle = (low + high + 1) >> 1;
    if (list[middle][0] <= pulse) { low = middle; } else { high = middle - 1; }
  }
  return low;
}

function put(parent, name, attributes, words) {
  var node = document.createElementNS(form.namespaceURI, name);
  Object.keys(attributes).forEach(function (key) { node.setAttribute(key, attributes[key]); });
  if (words !== undefined) { node.textContent = words; }
  parent.appendChild(node);
  return node;
}

function plain(value, digits) { return String(Number(value.toFixed(digits))); }

function nice(range, most) {
  var power = Math.pow(10, Math.floor(Math.log(range / most) / Math.LN10 + 1e-9));
  return [1, 2, 5, 10].map(function (f) { return f * power; }).filter(function (s) {
    return s >= range / most * (1 - 1e-9);
  })[0];
}

function stretch(level, pulse) {
  var group = levels[level].of[index(level, pulse)];
  var from = pulses[group[0]].t, to = pulses[group[1]].t, around = Infinity;
  if (level === 0) {
    data.marks.forEach(function (mark) { from = Math.min(from, mark[0]); to = Math.max(to, mark[0]); });
  }
  if (from === to) {
    [group[0] - 1, group[1] + 1].forEach(function (n) {
      if (pulses[n] && pulses[n].t !== from) { around = Math.min(around, Math.abs(pulses[n].t - from)); }
    });
    around = around === Infinity ? 5e5 : around * 1.2;
    return { group: group, from: from - around, to: to + around };
  }
  return { group: group, from: from - (to - from) * 0.03, to: to + (to - from) * 0.03 };
}

function axis(svg, view, y, width) {
  var span = view.to - view.from, zero = 0, unit = 1e6, name = "s";
  if (span > 9e8) { unit = 6e7; name = "min"; }
  if (span < 1e6) { unit = 1e3; name = "ms from the first pulse shown"; zero = pulses[view.group[0]].t; }
  put(svg, "path", { "class": "axis", d: "M" + left + " " + (y + 0.5) + "H" + (width - right) });
  var step = nice(span / unit, Math.max(3, width / 90)), k = Math.ceil((view.from - zero) / unit / step);
  for (; k * step * unit + zero <= view.to; k += 1) {
    var x = view.x(k * step * unit + zero);
    put(svg, "path", { "class": "axis", d: "M" + x.toFixed(1) + " " + (y + 0.5) + "v4" });
    put(svg, "text", { "class": "tick", x: x.toFixed(1), y: y + 16, "text-anchor": "middle" },
      plain(k * step, 6));
  }
  put(svg, "text", { "class": "name", x: width - right, y: y + 32, "text-anchor": "end" },
    "Time" + (zero ? "" : " from the start") + " (" + name + ")");
}

function marks(svg, view, width) { // each with its text, in three rows; where there is no room, a tick alone
  var ends = [-99, -99, -99];
  data.marks.forEach(function (mark) {
    if (mark[0] < view.from || mark[0] > view.to) { return; }
    var x = view.x(mark[0]), row = 0, words = mark[1];
    while (row < 3 && ends[row] > x) { row += 1; }
    var top = row < 3 ? 3 + row * 14 : 44;
    var tick = put(svg, "path", { "class": "mark", d: "M" + x.toFixed(1) + " " + top + "v"
      + (row < 3 ? 11 : 4) + "M" + x.toFixed(1) + " 44v5" });
    put(tick, "title", {}, words);
    if (row < 3) {
      var room = Math.max(4, Math.floor((width - right - x) / 6.2));
      words = words.length > room ? words.slice(0, room - 1) + "\u2026" : words;
      put(svg, "text", { "class": "tick", x: (x + 3).toFixed(1), y: 12 + row * 14 }, words);
      ends[row] = x + 10 + words.length * 6.2;
    }
  });
}

function bars(svg, view, lane, top, bottom) {
  view.last = undefined;
  var columns = {}, path = "", many = view.group[1] - view.group[0] > view.width / 3;
  for (var n = view.low; n <= view.high; n += 1) {
    var pulse = pulses[n], kind = pulse.kind;
    if (kind.channel !== lane) { continue; }
    var x = view.x(pulse.t), key = many ? Math.round(x) : x.toFixed(1);
    if (kind.given) { columns[key] = Math.max(columns[key] || 0.01, (kind.height || 0) / data.top); }
    if (kind.sign && (view.last === undefined || x - view.last > 7)) {
      put(svg, "text", { "class": "sign", x: x.toFixed(1), y: bottom + 13, "text-anchor": "middle" },
        kind.sign);
      view.last = x;
    }
  }
  Object.keys(columns).forEach(function (x) {
    path += "M" + x + " " + bottom + "V" + (bottom - columns[x] * (bottom - top)).toFixed(1);
  });
  put(svg, "path", { "class": "bar", "stroke-width": many ? 1 : 2, d: path || "M0 0" });
}

function scale(svg, top, bottom, width) {
  for (var k = 0; k <= 2; k += 1) {
    var y = bottom - (bottom - top) * k / 2;
    if (k) { put(svg, "path", { "class": "grid", d: "M" + left + " " + y + "H" + (width - right) }); }
    if (data.unit) {
      put(svg, "text", { "class": "tick", x: left - 6, y: y + 3.5, "text-anchor": "end" },
        plain(data.top * k / 2, 1));
    }
  }
}

function draw(svg) {
  while (svg.firstChild) { svg.removeChild(svg.firstChild); }
  var width = Math.max(280, box.clientWidth), view = stretch(state.level, state.pulse);
  var top = data.marks.length ? 54 : 16, y = top;
  view.width = width;
  view.x = function (t) { return left + (t - view.from) / (view.to - view.from) * (width - left - right); };
  view.low = view.group[0];
  view.high = view.group[1];
  if (view.low === view.high) {
    while (view.low > 0 && pulses[view.low - 1].t >= view.from) { view.low -= 1; }
    while (view.high < pulses.length - 1 && pulses[view.high + 1].t <= view.to) { view.high += 1; }
  }
  marks(svg, view, width);
  data.channels.forEach(function (channel, n) {
    var bottom = y + (data.channels.length > 1 ? 56 : 84);
    if (data.channels.length > 1) {
      put(svg, "text", { "class": "channel", x: left, y: y - 3 }, "channel " + channel);
    }
    scale(svg, y, bottom, width);
    bars(svg, view, channel, y, bottom);
    y = bottom + (n < data.channels.length - 1 ? 26 : 0);
  });
  put(svg, "text", { "class": "name", "text-anchor": "middle", transform: "translate(10 " + (top + y) / 2
    + ") rotate(-90)" }, data.unit || "");
  // the frame: what the next level shows; at the last one, the pulse that is told of
  var next = Math.min(state.level + 1, levels.length - 1), inner = levels[next].of[index(next, state.pulse)];
  put(svg, "path", { "class": "inner", d: "M" + (view.x(pulses[inner[0]].t) - 3).toFixed(1) + " " + y
    + "V" + (top - 4) + "H" + (view.x(pulses[inner[1]].t) + 3).toFixed(1) + "V" + y + "z" });
  axis(svg, view, y + 14, width);
  svg.setAttribute("viewBox", "0 0 " + width + " " + (y + 52));
  svg.setAttribute("width", width);
  svg.setAttribute("height", y + 52);
  svg.onclick = function (event) {
    var bounds = svg.getBoundingClientRect(), best = view.low, x = event.clientX - bounds.left;
    for (var n = view.low; n <= view.high; n += 1) {
      if (Math.abs(view.x(pulses[n].t) - x) < Math.abs(view.x(pulses[best].t) - x)) { best = n; }
    }
    show(Math.min(levels.length - 1, state.level + 1), best);
  };
}

function seconds(us, digits) { return (us / 1e6).toFixed(digits || 3) + " s"; }

function words_of_pulse(n) {
  var pulse = pulses[n], kind = pulse.kind, list = ["onset " + seconds(pulse.t, 6)];
  if (n > 0) {
    var gap = pulse.t - pulses[n - 1].t;
    list.push((gap < 1e6 ? plain(gap / 1e3, 3) + " ms" : seconds(gap, 6)) + " after the one before");
  }
  list.push(pulse.error === null || pulse.error === undefined ? "onset error not measured"
    : "onset error " + pulse.error.toFixed(1) + " \u00b5s");
  ["intensity", "channel", "condition", "status", "reply"].forEach(function (key) {
    if (kind[key]) { list.push((key === "intensity" ? "" : key + " ") + kind[key]); }
  });
  return list.join("; ");
}

function words() {
  var group = levels[state.level].of[index(state.level, state.pulse)], given = 0, odd = {};
  if (state.level === levels.length - 1) { return words_of_pulse(group[0]); }
  for (var n = group[0]; n <= group[1]; n += 1) {
    var sign = pulses[n].kind.sign;
    if (sign) { odd[sign] = (odd[sign] || 0) + 1; } else { given += 1; }
  }
  var count = group[1] - group[0] + 1, text = count + (count === 1 ? " pulse" : " pulses") + " from "
    + seconds(pulses[group[0]].t) + " to " + seconds(pulses[group[1]].t) + ": " + given + " given";
  Object.keys(odd).forEach(function (key) { text += ", " + key + " " + odd[key] + " " + data.signs[key]; });
  if (state.level === 0 && data.planned > count) {
    text += "; " + (data.planned - count) + " more have no row";
  }
  return text;
}

var bar = document.createElement("div"), info = document.createElement("p"), buttons = [];
var picture = put(box, "svg", { role: "img", "aria-label": "Timeline" });
function button(label, action) {
  var node = document.createElement("button");
  node.type = "button";
  node.textContent = label;
  node.onclick = action;
  bar.appendChild(node);
  return node;
}
function move(by) {
  var list = levels[state.level].of, n = index(state.level, state.pulse) + by;
  if (list[n]) { show(state.level, list[n][0]); }
}
function show(level, pulse) {
  state = { level: level, pulse: pulse };
  buttons.forEach(function (node, n) {
    var count = levels[n].of.length;
    node.textContent = levels[n].name + (n === 0 ? "" : " " + (index(n, pulse) + 1) + " of " + count);
    node.setAttribute("aria-pressed", n === level ? "true" : "false");
  });
  info.textContent = words();
  draw(picture);
}
levels.forEach(function (level, n) {
  buttons.push(button(level.name, function () { show(n, state.pulse); }));
});
button("\u25c0", function () { move(-1); }).setAttribute("aria-label", "the one before");
button("\u25b6", function () { move(1); }).setAttribute("aria-label", "the next one");
bar.className = "levels";
info.className = "info";
info.setAttribute("aria-live", "polite");
box.insertBefore(bar, picture);
box.appendChild(info);
box.tabIndex = 0;
box.onkeydown = function (event) {
  var last = levels.length - 1;
  if (event.key === "ArrowRight") { move(1); } else if (event.key === "ArrowLeft") { move(-1); }
  else if (event.key === "+" || event.key === "ArrowDown") {
    show(Math.min(last, state.level + 1), state.pulse);
  }
  else if (event.key === "-" || event.key === "ArrowUp") { show(Math.max(0, state.level - 1), state.pulse); }
  else { return; }
  event.preventDefault();
};
document.documentElement.className = "zooms";
box.hidden = false;
var asked = /^#([a-z]+)-([0-9]+)$/.exec(location.hash); // report.html#train-3, #pulse-61
var begin = [0, 0];
levels.forEach(function (level, n) {
  if (asked && level.name.toLowerCase() === asked[1] && level.of[asked[2] - 1]) {
    begin = [n, level.of[asked[2] - 1][0]];
  }
});
show(begin[0], begin[1]);
window.onresize = function () { draw(picture); };
}());
]=]
