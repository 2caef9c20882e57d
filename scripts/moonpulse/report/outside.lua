--- The section of pulses that an external device fired, and stim:watch took.
local html = require "moonpulse.report.html"
local text = require "moonpulse.drawing.text"

local M = {}

--- How many came, and how close; empty where none did.
---@param s table from `summary.compute`
---@return string html
function M.section(s)
  local of = s.outside
  if not of then
    return ""
  end
  local rows = { { "Pulses", text.count(of.count) } }
  rows[#rows + 1] = of.shortest_s and { "Shortest interval between two",
    text.duration_us(of.shortest_s * 1e6) } or nil
  rows[#rows + 1] = of.otherwise > 0 and { "Not given as the stimulator was set", text.count(of.otherwise) }
    or nil
  return html.section("outside", "Pulses fired by an external device", {
    html.facts("Fired over the trigger input, as stim:watch waited for", rows),
    html.p("Their times are those of the stimulator's reports, which come after the pulses.", "small") })
end

return M
