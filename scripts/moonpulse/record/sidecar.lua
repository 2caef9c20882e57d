--- events.json: what each column of events.tsv is, as BIDS wants it beside a table of events.
local cjson = require "cjson"
local files = require "moonpulse.record.file"
local in_order = require "moonpulse.text.in_order"

local M = {}

local events = {
  { "pulse", "A stimulation pulse, given or left out: see status" },
  { "set_intensity", "The stimulator was told another intensity" },
  { "mark", "A named instant of the protocol, of the script or of a trigger; its text is in reply" },
  { "unasked_pulse", "The stimulator reported a pulse that nobody sent" },
}
local code = { "code", "An event code that was given to the box of --codes, at its onset_sent_us; its value "
  .. "is in reply" }

--- Those that a run can have.
local function events_of(coded)
  return coded and table.move({ code }, 1, 1, #events + 1, table.move(events, 1, #events, 1, {})) or events
end

--- Those of status; the words are loaded when a record is closed, not when a run begins.
local function levels_of_status()
  local list = {}
  for _, each in ipairs(require("moonpulse.record.statuses").list) do
    list[#list + 1] = not each.older and { each.name, each.told } or nil
  end
  return list
end

local default_conditions = {
  pulse = "Single pulses without a label", pair = "Paired pulses without a label",
  burst = "Bursts without a label", train = "Trains without a label",
  trial = "Stimuli of several parts without a label", together = "Parts side by side without a label",
}

-- name, LongName, Description, Units, Levels; in the order of the table
local columns = {
  { "onset", "Onset", "When it happened, from the start of the plan (of an experiment: of the run)", "s" },
  { "duration", "Duration", "0: pulses are impulses", "s" },
  { "trial_type", "Condition", "Of a pulse the condition: the label that the protocol gives it, else the "
    .. "kind of stimulus; of any other row the same as event" },
  { "index", "Row", "Number of the row, from 1" },
  { "event", "Event", "What the row is", nil, events },
  { "pulse", "Pulse", "Number of the pulse in the run, from 1; of an event code that of its pulse" },
  { "onset_planned_us", "Planned onset", "By the plan", "us" },
  { "onset_sent_us", "Onset as sent", "The host's write, and the times of the wire and of the device", "us" },
  { "onset_confirmed_us", "Confirmation", "When the device's reply to this pulse came, which is not the "
    .. "pulse's time; n/a also if it has none of its own: of a pair or train that is confirmed at its start",
    "us" },
  { "lateness_us", "Lateness", "How long after its time the write began; n/a: not measured", "us" },
  { "channel", "Channel", "Coil or output; 1 if the protocol names none" },
  { "intensity_mso", "Intensity as set", "What the device was told, in percent of its maximum output", "%" },
  { "intensity", "Intensity as written", "What the protocol says, in percent of intensity_ref", "%" },
  { "intensity_ref", "Reference", "What intensity is a percentage of", nil, {
    { "MSO", "Maximum stimulator output" }, { "RMT", "Resting motor threshold" },
    { "AMT", "Active motor threshold" } } },
  { "status", "Status", "What became of it", nil, levels_of_status },
  { "reply", "Reply", "The device's reply in words; the text of a mark; the value of an event code" },
  { "timed_by", "Timed by", "Who timed the pulse", nil, { { "host", "This program sent a command for it" },
    { "device", "One of a train that the device timed itself" },
    { "external", "An external device fired it" } } },
  { "setting_proof", "Proof of settings", "How the device confirmed its settings", nil, {
    { "read", "It said the values" }, { "received", "It said that it took a command" },
    { "none", "It says nothing, or a hand set them" } } },
  { "trial", "Trial", "Number of the trial in the run, from 1: one stimulus, as the participant gets it "
    .. "(single pulse, pair, burst, train); n/a: none" },
  { "block", "Block", "Number of the block of trials in the run, from 1; n/a: none" },
}

--- Levels as { name, text }, by their order: JSON has no order of its own, people have.
local function levels_text(list)
  local parts = {}
  for i, level in ipairs(list) do
    parts[i] = ("      %s: %s"):format(cjson.encode(level[1]), cjson.encode(level[2]))
  end
  return "{\n" .. table.concat(parts, ",\n") .. "\n    }"
end

--- What trial_type can be in this run: its conditions, and the other events.
local function levels_of(conditions, coded)
  local names, list = in_order.keys(conditions), {}
  for _, name in ipairs(names) do
    local text = default_conditions[name] or ("Pulses that the protocol labels %s"):format(name)
    list[#list + 1] = { name, text }
  end
  for i, event in ipairs(events_of(coded)) do
    if i > 1 or not names[1] then -- "pulse" where the record knows no conditions
      list[#list + 1] = conditions[event[1]] == nil and event or nil
    end
  end
  return list
end

--- A column's text, with these levels.
local function column_text(column, levels)
  local name, long, description, unit = table.unpack(column, 1, 4)
  local fields = { ('    "LongName": %s'):format(cjson.encode(long)),
    ('    "Description": %s'):format(cjson.encode(description)) }
  fields[#fields + 1] = unit and ('    "Units": %s'):format(cjson.encode(unit))
  levels = type(levels) == "function" and levels() or levels
  fields[#fields + 1] = levels and '    "Levels": ' .. levels_text(levels)
  return ('  "%s": {\n%s\n  }'):format(name, table.concat(fields, ",\n"))
end

local texts = {} -- of the columns that are the same for every run

--- The text of events.json.
---@param conditions table<string, boolean> of the run
---@param coded boolean? it has rows of event codes
---@return string
function M.text(conditions, coded)
  local parts = {}
  for i, column in ipairs(columns) do
    if column[1] == "trial_type" then
      parts[i] = column_text(column, levels_of(conditions, coded))
    elseif column[1] == "event" and coded then
      parts[i] = column_text(column, events_of(true))
    else
      texts[i] = texts[i] or column_text(column, column[5])
      parts[i] = texts[i]
    end
  end
  return "{\n" .. table.concat(parts, ",\n") .. "\n}\n"
end

--- Write events.json beside a record's table; whole or not at all. It is made of what is here and of the
--- table, so that recover can write it again.
---@param record moonpulse.Record that is closed
---@return string? problem in words
function M.write(record)
  local path = record.folder .. "/events.json"
  local ok, message = files.put(path, M.text(record.conditions, record.coded))
  if not ok then
    return ("%s: %s: it describes the columns of events.tsv, which is whole without it"):format(path, message)
  end
end

return M
