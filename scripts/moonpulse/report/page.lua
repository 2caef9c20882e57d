--- Puts the sections together into one page that needs nothing else.
local alerts = require "moonpulse.report.alerts"
local dose = require "moonpulse.report.dose"
local facts = require "moonpulse.report.facts"
local first_screen = require "moonpulse.report.first_screen"
local html = require "moonpulse.report.html"
local notes = require "moonpulse.report.notes"
local record = require "moonpulse.record.read"
local run = require "moonpulse.report.run"
local safety = require "moonpulse.report.safety"
local style = require "moonpulse.report.style"
local summary = require "moonpulse.report.summary"
local text = require "moonpulse.drawing.text"
local threshold = require "moonpulse.report.threshold"
local timeline = require "moonpulse.report.timeline"
local timing = require "moonpulse.report.onset_error"
local outside = require "moonpulse.report.outside"
local triggers = require "moonpulse.report.triggers"
local verdict = require "moonpulse.report.verdict"
local zoom = require "moonpulse.report.zoom"

local M = {}

local get = record.get

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
    -- Nothing may be fetched and no script may run but ours, whatever the record holds.
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
      .. "style-src 'unsafe-inline'; script-src " .. zoom.allowed() .. '">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    "<title>" .. text.escape(title) .. "</title>", "<style>" .. style .. "</style></head><body>" },
    "\n")
end

local function pair(...)
  return '<div class="pair">' .. table.concat({ ... }, "\n") .. "</div>"
end

--- The headline's sentence and level, with what the checks of the record and the alerts add to them.
local function judge(manifest, s, list, gravest, sound)
  local sentence, level = verdict.write(manifest, s)
  if not sound then
    sentence = sentence .. " The record does not fully agree with itself: see Record checks."
    level = alerts.graver(level, "note")
  end
  return sentence, #list > 0 and alerts.graver(level, gravest) or level
end

--- Build the page.
---@param manifest table
---@param events table from `record.events`
---@param folder string name of the run folder
---@param edited string? what of the record was edited, as moonpulse.safety.edited has it
---@return string html
function M.build(manifest, events, folder, edited)
  local s = summary.compute(manifest, events)
  local checks, sound = timing.checks(manifest, s, events)
  local list, gravest = alerts.of(manifest, s, edited)
  local sentence, level = judge(manifest, s, list, gravest, sound)
  local name = text.value(get(manifest, "protocol.name"))
  local title = name == text.missing and "Stimulation run (protocol name not recorded)" or name
  local time, device = run.time_words(manifest, s), run.device_words(s)
  return facts.without_folder(manifest, table.concat({
    head((level == "bad" and first_screen.headline(sentence, level, list) .. " – " or "") .. title
      .. " – run report"),
    "<header>", html.p("Moonpulse run report · " .. folder, "kicker"),
    "<h1>" .. text.escape(title) .. "</h1>", '<ul class="badges">',
    badge(device == text.missing and "Simulator or real device: not recorded" or device),
    badge(time == text.missing and "Real or virtual time: not recorded" or time), "</ul></header><main>",
    first_screen.banner(s, sentence, level, list), threshold.top(manifest), first_screen.key(manifest, s),
    first_screen.given(manifest, s), notes.section(manifest),
    threshold.section(manifest), dose.pulses(manifest, s),
    pair(dose.dose(manifest, s), safety.section(manifest)), timeline.section(events, s),
    timing.exceptions(s), timing.onset(s), timing.intervals(s), triggers.section(manifest, s),
    outside.section(s),
    pair(timing.replies(s), checks, run.protocol(manifest), run.run(manifest, s), run.host(manifest),
      run.parameters(manifest), methods()),
    "</main><footer>Made by Moonpulse, version "
      .. text.escape(text.value(get(manifest, "moonpulse.version")))
      .. ". Research software, not a medical device.</footer>", zoom.script,
    "</body></html>\n" }, "\n"))
end

return M
