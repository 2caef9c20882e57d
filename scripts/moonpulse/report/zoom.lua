--- The zooming timeline: the run as data in an attribute, and the script that draws it.
local base64 = require "moonpulse.text.base64"
local cjson = require "cjson.safe"
local script = require "moonpulse.report.zoom_script"
local sha256 = require "moonpulse.text.sha256"
local signs = require "moonpulse.drawing.signs"
local sorted_json = require "moonpulse.text.sorted_json"
local text = require "moonpulse.drawing.text"
local windows = require "moonpulse.drawing.windows"

local M = {}

M.most_pulses, M.most_marks = 10000, 500

--- Text as JSON takes it.
local function clean(words)
  return words and (utf8.len(words) and words or words:gsub("[\x80-\xFF]", "?")) or nil
end

local function intensity_of(kind, is_nerve)
  if not kind.mso then
    return kind.intensity and ("%s %% of %s"):format(text.plain(kind.intensity),
      clean(kind.ref or "an unnamed reference")) or nil
  end
  if is_nerve then -- %MSO and thresholds are the cortex's words
    return text.plain(kind.mso, 2) .. " % of the nerve stimulator's output"
  end
  local of = kind.ref and kind.ref ~= "MSO" and kind.intensity
    and (" (%s %% of %s)"):format(text.plain(kind.intensity), clean(kind.ref)) or ""
  return ("%s %%MSO%s"):format(text.plain(kind.mso, 2), of)
end

--- What the pulses of one kind have in common.
local function kind_of(row, scale, nerves)
  return { channel = clean(row.channel or "1"), condition = clean(row.trial_type), status = clean(row.status),
    reply = clean(row.reply), given = row.was_sent, sign = signs.of(row),
    intensity = intensity_of(row, nerves[row.channel]),
    height = scale.known and scale.of(row) or 0.9 }
end

--- The kinds, and which pulses are of which: kind, how many, kind, how many ... Kinds count from 0.
local function kinds_of(pulses, scale, nerves)
  local kinds, runs, number_of, last = {}, {}, {}, nil
  for _, row in ipairs(pulses) do
    local key = getmetatable(row)
    local number = number_of[key]
    if not number then
      kinds[#kinds + 1] = kind_of(row, scale, nerves)
      number = #kinds - 1
      number_of[key] = number
    end
    if number == last then
      runs[#runs] = runs[#runs] + 1
    else
      runs[#runs + 1], runs[#runs + 2], last = number, 1, number
    end
  end
  return kinds, runs
end

--- From pulse to pulse in whole microseconds: the different steps, and which is which, from 0.
local function steps_of(pulses)
  local deltas, steps, number_of, before = {}, {}, {}, 0
  for i, row in ipairs(pulses) do
    local at = math.floor(row.time * 1e6 + 0.5)
    local delta = at - before
    if not number_of[delta] then
      deltas[#deltas + 1] = delta
      number_of[delta] = #deltas - 1
    end
    steps[i], before = number_of[delta], at
  end
  return deltas, steps
end

--- The pulses' numbers: the first where they count up, else all.
local function numbers_of(pulses)
  local first, list = pulses[1].pulse or 1, {}
  local counts_up = true
  for i, row in ipairs(pulses) do
    list[i] = row.pulse or cjson.null
    counts_up = counts_up and row.pulse == first + i - 1
  end
  return first, not counts_up and list or nil
end

--- Onset errors to the tenth of a microsecond; nil where nothing was measured.
local function errors_of(pulses, virtual)
  local list, some = {}, false
  for i, row in ipairs(pulses) do
    local error_us = not virtual and row.was_sent and row.lateness
    some = some or error_us
    list[i] = error_us and tonumber(("%.1f"):format(error_us)) or cjson.null
  end
  return some and list or nil
end

local function marks_of(marks)
  local list = {}
  for _, mark in ipairs(marks) do
    if mark.time and #list < M.most_marks then
      list[#list + 1] = { math.floor(mark.time * 1e6 + 0.5), clean(mark.reply or mark.trial_type or "") }
    end
  end
  return #list > 0 and list or nil -- an empty table would be an object
end

local function channels_of(pulses)
  local list, seen = {}, {}
  for _, row in ipairs(pulses) do
    local name = clean(row.channel or "1")
    if not seen[name] then
      seen[name], list[#list + 1] = true, name
    end
  end
  return list
end

--- Where each block of the plan begins, as positions from 0; nil where there are not several.
local function blocks_of(pulses)
  local starts, before = {}, nil
  for i, row in ipairs(pulses) do
    if row.block and row.block ~= before then
      starts[#starts + 1], before = i - 1, row.block
    end
  end
  if #starts > 1 and #starts < #pulses then
    starts[1] = 0
    return starts
  end
end

--- The levels between session and pulse: the plan's own blocks by where they begin; what is found from the
--- silences by the gap, in microseconds, at which a new one begins.
local function levels_of(pulses, times)
  local blocks, list = blocks_of(pulses), {}
  list[1] = blocks and { "Block", blocks } or nil
  for _, level in ipairs(windows.named_levels(times)) do
    if not blocks or level.name ~= "Block" and level.name ~= "Part" then
      list[#list + 1] = { level.name, math.floor(level.gap * 1e6) }
    end
  end
  return #list > 0 and list or nil
end

--- The box with the run's data; without the script it stays hidden.
---@param pulses table[] rows in time order, each with its time
---@param times number[] the onsets that decide what belongs together
---@param marks table[]
---@param scale table bar heights, of `panels.of`
---@param s table from `summary.compute`
---@return string? html nil where there is nothing to zoom into, or more than a page should hold
function M.box(pulses, times, marks, scale, s)
  if #pulses < 2 or #pulses > M.most_pulses then
    return nil
  end
  local data = { signs = signs.words(), marks = marks_of(marks), channels = channels_of(pulses),
    planned = s.planned, levels = levels_of(pulses, times), top = scale.known and scale.top or 1,
    unit = scale.known and scale.name or nil, errors = errors_of(pulses, s.time == "virtual") }
  data.kinds, data.runs = kinds_of(pulses, scale, s.nerves)
  data.deltas, data.steps = steps_of(pulses)
  data.first, data.numbers = numbers_of(pulses)
  local ok, json = pcall(sorted_json.encode, data) -- the same record makes the same page
  json = ok and json:gsub("\\/", "/") -- as the rest of the page has a path: facts.without_folder finds it
  return json and ('<div id="zoom" hidden data-run="%s"></div>'):format(text.escape(json)) or nil
end

--- The script, for the page's end.
M.script = "<script>" .. script .. "</script>"

--- What a page allows to run: this script, by its hash, and no other.
---@return string source for a Content-Security-Policy
function M.allowed()
  local bytes = sha256.of(script):gsub("%x%x", function(two) return string.char(tonumber(two, 16)) end)
  return "'sha256-" .. base64.of(bytes) .. "'"
end

return M
