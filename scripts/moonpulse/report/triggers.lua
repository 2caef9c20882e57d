--- The section of plans that triggers started: what became of each trigger, and how soon a start was given.
local html = require "moonpulse.report.html"
local record = require "moonpulse.record.read"
local text = require "moonpulse.drawing.text"

local M = {}

local words = { { "counted", "counted: each n-th starts the plan" },
  { "busy", "passed over: the plan was going on" },
  { "refractory", "passed over: within the refractory time" },
  { "over", "passed over: the plan was started as often as it may be" },
  { "window", "passed over: outside the window from the trigger before" },
  { "gate", "passed over: the gate was low" },
  { "outside", "passed over: outside the time for triggers" } }

local function microseconds(value)
  value = text.number(value)
  return value and text.plain(value, 3) .. "\u{A0}µs" or text.missing
end

--- What became of the triggers of stim:on_trigger; empty where no plan waited for any.
---@param manifest table
---@param s table from `summary.compute`
---@return string html
function M.section(manifest, s)
  local of = record.get(manifest, "experiment.triggers.on_trigger")
  if type(of) ~= "table" then
    return ""
  end
  local starts, all, refused = text.number(of.starts) or 0, 0, {}
  for _, each in ipairs(words) do
    local count = text.number(of[each[1]]) or 0
    all = all + count
    refused[#refused + 1] = count > 0 and { each[2], text.count(count) } or nil
  end
  local rows = { { "Triggers that the plan waited for", text.count(all + starts) },
    { "Started the plan", text.count(starts) } }
  table.move(refused, 1, #refused, #rows + 1, rows)
  local untold = text.number(of.untold) or 0
  rows[#rows + 1] = untold > 0 and { "Bytes of all values only counted: faster than they could be told",
    text.count(untold) } or nil
  local reaction = type(of.reaction_us) == "table" and s.time ~= "virtual" and of.reaction_us or nil
  if reaction then
    rows[#rows + 1] = { "Trigger to command handed over: median", microseconds(reaction.p50) }
    rows[#rows + 1] = { "95 % within", microseconds(reaction.p95) }
    rows[#rows + 1] = { "Worst", microseconds(reaction.worst) }
  end
  return html.section("triggers", "Triggers", {
    html.facts("Plans that triggers start (stim:on_trigger)", rows),
    reaction and html.p("From the instant at which a trigger was read, or the delay after it, to the one "
      .. "at which the first command of the plan had been handed over; what the wire and the stimulator take "
      .. "comes on top. Nearest-rank percentiles of all starts.", "small") or "" })
end

return M
