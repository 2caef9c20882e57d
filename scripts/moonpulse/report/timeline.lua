--- The timeline: figures from the session down to a burst, and the marks with their text.
local html = require "moonpulse.report.html"
local panels = require "moonpulse.drawing.panels"
local svg = require "moonpulse.drawing.svg"
local text = require "moonpulse.drawing.text"
local zoom = require "moonpulse.report.zoom"

local M = {}

local most_marks = 60

local function mark_list(marks)
  local out = { '<h3>Marks</h3><ul class="marks">' }
  for i = 1, math.min(#marks, most_marks) do
    out[#out + 1] = ('<li><span class="n">%s</span> %s</li>'):format(
      marks[i].time and ("%.3f s"):format(marks[i].time) or text.missing,
      text.escape(marks[i].reply or marks[i].trial_type or text.missing))
  end
  out[#out + 1] = "</ul>"
  return table.concat(out, "\n") .. (#marks > most_marks and html.p("and " .. text.count(#marks - most_marks)
    .. " more: they are in events.tsv.") or "")
end

--- Pulses that have a time, and the onsets that decide what belongs together: the planned ones.
local function timed(events)
  local pulses, times, n = {}, {}, 0
  local rows = events.pulses
  for i = 1, #rows do
    local row = rows[i]
    local time, planned = row.time, row.planned
    if time then
      n = n + 1
      pulses[n], times[n] = row, planned and planned / 1e6 or time
    end
  end
  return pulses, times
end

--- The section with the timeline and the marks.
---@param events table from `record.events`
---@param s table from `summary.compute`
---@return string
function M.section(events, s)
  local pulses, times = timed(events)
  local parts, figures = {}, {}
  if #pulses == 0 then
    parts[1] = html.p("No pulse with a time is on record, so there is nothing to draw.")
  end
  local list, scale = panels.of(pulses, times, events.marks)
  if next(s.nerves) and scale.name == "%MSO" then -- one axis for the brain's channels and a nerve's
    scale.name = "% of output"
  end
  parts[#parts + 1] = zoom.box(pulses, times, events.marks, scale, s)
  if #pulses > zoom.most_pulses then
    parts[#parts + 1] = html.p(("The figures show the session, and of it the beginning: a page that zooms "
      .. "takes at most %s, and this run has %s. All are in events.tsv."):format(
      text.counted(zoom.most_pulses, "pulse"), text.count(#pulses)), "small")
  end
  for number, window in ipairs(list) do
    local words, inner = window.description, list[number + 1]
    if #window.pulses > svg.most_separate then
      words = words .. " Pulses that share a pixel share a bar as high as the strongest of them."
    end
    if inner then
      window.inner = { t0 = inner.first_time, t1 = inner.last_time }
      words = words .. " The frame is what the next figure shows."
    end
    figures[number] = html.figure(svg.timeline("tl" .. number, window, scale), words, "static")
  end
  parts[#parts + 1] = figures[1]
  if figures[2] then -- on paper beside each other
    parts[#parts + 1] = '<div class="figures">' .. table.concat(figures, "\n", 2) .. "</div>"
  end
  if #events.marks > 0 then
    parts[#parts + 1] = mark_list(events.marks)
  end
  return html.section("timeline", "Timeline", parts)
end

return M
