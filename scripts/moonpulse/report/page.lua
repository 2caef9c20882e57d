--- Puts the sections together into one page that needs nothing else.
local dose = require "moonpulse.report.dose"
local html = require "moonpulse.report.html"
local record = require "moonpulse.record.read"
local summary = require "moonpulse.report.summary"
local text = require "moonpulse.drawing.text"
local timing = require "moonpulse.report.onset_error"
local verdict = require "moonpulse.report.verdict"

local M = {}

local get = record.get

local style = [[
:root { color-scheme: light; --ink: #1c2126; --soft: #56606b; --rule: #c9d0d6; --blue: #1f4e79;
  --red: #a3241c; --amber: #8a5a00; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.2rem 1.4rem 3rem; max-width: 54rem; background: #fff;
  color: var(--ink); font: 16px/1.5 Charter, "Bitstream Charter", "Source Serif Pro", Cambria,
  "Liberation Serif", Georgia, serif; }
h1, h2, h3, table, figcaption, .badges, .kicker, svg, footer, .small {
  font-family: "Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif; }
h1 { font-size: 1.55rem; line-height: 1.2; margin: 0 0 .3rem; font-weight: 600; }
h2 { font-size: 1.05rem; margin: 2.2rem 0 .6rem; padding-top: .5rem; font-weight: 600;
  border-top: 1px solid var(--ink); }
h3 { font-size: .86rem; margin: 1.1rem 0 .4rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
.kicker { color: var(--soft); font-size: .84rem; margin: 0 0 .4rem; }
.small { color: var(--soft); font-size: .78rem; line-height: 1.45; }
.verdict { border-left: 5px solid var(--blue); padding: .55rem 0 .55rem 1rem;
  margin: 1.1rem 0 .7rem; font-size: 1.22rem; line-height: 1.4; }
.verdict.bad { border-color: var(--red); }
.verdict.note { border-color: #b98a2c; }
.badges { list-style: none; margin: 0; padding: 0; font-size: .82rem; }
.badges li { display: inline-block; border: 1px solid var(--soft); border-radius: 2px;
  padding: .1rem .5rem; margin: 0 .4rem .3rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .84rem; margin: .6rem 0 1rem; }
caption { text-align: left; font-weight: 600; padding: 0 0 .3rem; }
.facts caption { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); }
th, td { text-align: left; vertical-align: top; padding: .26rem .8rem .26rem 0;
  border-bottom: 1px solid var(--rule); overflow-wrap: anywhere; }
.facts th { width: 38%; font-weight: 400; color: var(--soft); }
.grid thead th { border-bottom: 1px solid var(--ink); border-top: 1px solid var(--ink);
  overflow-wrap: normal; font-weight: 600; }
.grid tbody th { font-weight: 400; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
.n + :not(.n) { padding-left: 1rem; }
.wide { overflow-x: auto; }
.missing { color: var(--soft); font-style: italic; }
.warning { border-left: 3px solid #b98a2c; padding: .1rem 0 .1rem .7rem; color: var(--amber); }
pre { font: 13px/1.5 "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre-wrap;
  overflow-wrap: anywhere; background: #f5f6f7; padding: .7rem .9rem; margin: .4rem 0; }
figure { margin: 1rem 0 1.3rem; }
figcaption { font-size: .8rem; color: var(--soft); margin-top: .2rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font-size: 11px; fill: #1c2126; }
svg .tick, svg .name { fill: #56606b; }
svg .channel { font-weight: 600; }
svg .note { font-size: 10.5px; }
svg .bad { fill: #a3241c; }
svg .axis { stroke: #1c2126; fill: none; }
svg .grid { stroke: #e3e7ea; fill: none; }
svg .bar { stroke: #1f4e79; fill: none; }
svg .fill { fill: #1f4e79; }
svg .unsent { stroke: #a3241c; stroke-width: 1.2; }
svg .mark { stroke: #1c2126; }
svg .lead { stroke: #b4512b; stroke-dasharray: 3 2; fill: none; }
footer { border-top: 1px solid var(--ink); margin-top: 2.4rem; padding-top: .6rem;
  font-size: .8rem; color: var(--soft); }
@media screen and (max-width: 36rem) {
  body { padding: 1.2rem .8rem 2rem; }
  .grid { font-size: .68rem; }
  .grid th, .grid td { padding-right: .35rem; }
  .grid thead th { overflow-wrap: anywhere; hyphens: auto; }
  figure { overflow-x: auto; }
  figure svg { min-width: 36rem; }
}
@page { size: A4; margin: 16mm 15mm; }
@media print {
  body { padding: 0; max-width: none; font-size: 10.5pt; }
  h2, h3 { break-after: avoid; }
  figure, table, tr, .verdict, .warning, pre { break-inside: avoid; }
  caption { break-after: avoid; }
  th, td { padding-top: .16rem; padding-bottom: .16rem; }
  thead { display: table-header-group; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
]]

local function sorted_keys(values)
  local keys = {}
  for key in pairs(values) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

local function host(manifest)
  local rows = {
    { "Kernel", get(manifest, "host.kernel") },
    { "CPUs", get(manifest, "host.cpus") },
    { "Real-time scheduling", get(manifest, "host.realtime") },
  }
  local known = { kernel = true, cpus = true, realtime = true }
  local all = get(manifest, "host")
  for _, key in ipairs(type(all) == "table" and sorted_keys(all) or {}) do
    if not known[key] then
      rows[#rows + 1] = { key, all[key] }
    end
  end
  return html.section("host", "Host and real-time facts", { html.facts("Host", rows) })
end

local function parameters(manifest)
  local rows = { { "Seed", get(manifest, "seed") } }
  local given = get(manifest, "parameters")
  if type(given) ~= "table" then
    rows[#rows + 1] = { "Parameters", given }
  elseif next(given) == nil then
    rows[#rows + 1] = { "Parameters", "none" }
  else
    for _, key in ipairs(sorted_keys(given)) do
      rows[#rows + 1] = { key, given[key] }
    end
  end
  return html.section("parameters", "Parameters and seed", { html.facts("Parameters", rows) })
end

local function methods()
  return html.section("methods", "How the figures were made", {
    html.p("All counts and times are computed from events.tsv; manifest.json gives what the rows "
      .. "cannot (plan, device, host). A percentile is the nearest-rank one: the smallest measured"
      .. " value with at least that share of all values at or below it; nothing is interpolated. "
      .. "Every pulse with a recorded onset error is in the count, none is excluded; a pulse that the "
      .. "stimulator timed has none, and is counted apart. A pulse is "
      .. "sent when a send time is on record, or its status is delivered, sent or simulated. It "
      .. "is confirmed when the time of the device's reply is on record, or its status is "
      .. "delivered; a refused pulse is not. What is missing from the record is "
      .. "shown as “not recorded”.", "small") })
end

local function badge(words)
  return "<li>" .. text.escape(words) .. "</li>"
end

local function head(title)
  return table.concat({ "<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">',
    -- Nothing may be fetched and no script may run, whatever the record holds.
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
      .. 'style-src \'unsafe-inline\'">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    "<title>" .. text.escape(title) .. "</title>", "<style>" .. style .. "</style></head><body>" },
    "\n")
end

--- Build the page.
---@param manifest table
---@param events table from `record.events`
---@param folder string name of the run folder
---@return string html
function M.build(manifest, events, folder)
  local s = summary.compute(manifest, events)
  local sentence, level = verdict.write(manifest, s)
  local checks, sound = timing.checks(manifest, s, events)
  if not sound then
    sentence = sentence .. " The record does not fully agree with itself: see Record checks."
    level = level == "good" and "note" or level
  end
  local name = text.value(get(manifest, "protocol.name"))
  local title = name == text.missing and "Stimulation run (protocol name not recorded)" or name
  local time, device = dose.time_words(manifest, s), dose.device_words(s)
  return table.concat({
    head(title .. " – run report"),
    "<header>", html.p("Moonpulse run report · " .. folder, "kicker"),
    "<h1>" .. text.escape(title) .. "</h1></header><main>",
    html.p(sentence, "verdict " .. level),
    '<ul class="badges">',
    badge(device == text.missing and "Simulated or real device: not recorded" or device),
    badge(time == text.missing and "Real or virtual time: not recorded" or time), "</ul>",
    dose.run(manifest, s), dose.dose(manifest, s), dose.protocol(manifest), dose.timeline(events),
    timing.onset(s), timing.intervals(s), timing.replies(s), timing.exceptions(s), checks,
    host(manifest), parameters(manifest), methods(),
    "</main><footer>Made by Moonpulse, version "
      .. text.escape(text.value(get(manifest, "moonpulse.version")))
      .. ". Research software, not a medical device.</footer>",
    "</body></html>\n" }, "\n")
end

return M
