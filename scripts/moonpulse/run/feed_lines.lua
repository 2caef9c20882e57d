--- What a run's feed says: a line of JSON for each row of events.tsv and each line of the journal that other
--- programs may want. docs/driving.md and docs/schemas/feed.schema.json describe them.
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local json = require "moonpulse.text.sorted_json"

local M = {}

--- Of the lines, in their first one; it is raised where a reader of the old lines would misread the new.
M.version = 1

local most_text = 2000 -- bytes of a text: a line has an end

-- columns of events.tsv that are numbers; the others are texts
local numbers = {}
for _, name in ipairs { "onset", "index", "pulse", "onset_planned_us", "onset_sent_us", "onset_confirmed_us",
  "lateness_us", "intensity_mso", "intensity", "trial", "block" } do
  numbers[name] = true
end

local columns = {}
for name in core.event_header:gmatch "[^\t\n]+" do
  columns[#columns + 1] = { name = name, key = json.encode(name) .. ":", is_number = numbers[name] or false }
end

-- what is said of a line of the journal, by its kind: as which event, and with which of its fields
local acts = {
  begin = { "begun", "what", "id", "seed", "participant", "moonpulse" },
  arm = { "armed", "device", "channel", "mso", "changed" },
  disarm = { "disarmed", "device", "new", "why" },
  play = { "play", "play", "pulses", "seed", "triggered", "external" },
  ahead = { "ahead", "play", "count", "byte", "pulses" },
  watch = { "watch", "play", "count" },
  watched = { "watched", "play", "pulses", "why" },
  trigger = { "trigger", "byte", "input", "heard", "count", "again" },
  stream = { "stream", "text" },
  threshold = { "threshold", "device", "name", "of", "old", "new", "unit", "how", "method", "variant",
    "trials", "reversals", "why" },
  question = { "question", "text", "of" },
  answer = { "answered", "question", "answer", "of", "source" },
  refused_answer = { "refused_answer", "question", "answer", "takes", "of", "source" },
  note = { "note", "text" },
  refused = { "refused_verb", "what", "why" },
  override = { "override", "of", "old", "new", "what", "why" },
  approval = { "approval", "ref", "why" },
  clock = { "clock", "by_s" },
  stop = { "stop", "reason", "source", "why" },
  marked = { "marked", "text", "source" },
}

--- A text that is UTF-8 and has an end.
local function shortened(text)
  text = utf8.len(text) and text or escapes.shown(text)
  if #text <= most_text then
    return text
  end
  return text:sub(1, utf8.offset(text, 0, most_text) - 1) .. "..."
end

local function plain(value)
  return type(value) == "string" and shortened(value)
    or (type(value) == "number" or type(value) == "boolean") and value or nil
end

--- When it is told, as every line begins: the number of the line, the monotonic clock and the wall clock.
local function head(event, number)
  return ('{"event":%s,"n":%d,"mono_s":%.6f,"wall_s":%.6f'):format(json.encode(event), number,
    core.real_ns() / 1e9, core.wall_ns() / 1e9)
end

--- A line of its own.
---@param event string
---@param number integer of the line in the feed
---@param fields table
---@return string
function M.line(event, number, fields)
  local body = json.encode(fields)
  return head(event, number) .. (body == "{}" and "}" or "," .. body:sub(2))
end

--- The only line of a program that is not taken in: it knows which run that was, and can stop it by a signal.
---@param why string
---@param run string? its name
---@param folder string?
---@return string
function M.refused(why, run, folder)
  return json.encode { event = "refused", why = why, run = run, folder = folder }
end

--- A row of events.tsv: its columns by their names, without those that are n/a.
---@param number integer
---@param text string the row
---@return string
function M.row(number, text)
  local parts, at, event = {}, 0, "row"
  for cell in text:gmatch "[^\t\n]+" do
    at = at + 1
    local column = columns[at]
    if column.name == "event" then
      event = cell
    elseif column.is_number and cell:find "^%-?%d+%.?%d*$" then
      parts[#parts + 1] = column.key .. cell
    elseif column.name ~= "duration" and cell ~= "n/a" then
      parts[#parts + 1] = column.key .. json.encode(shortened(cell))
    end
  end
  return ("%s,%s}"):format(head(event, number), table.concat(parts, ","))
end

--- What a trial of a staircase, a hunt or an input-output curve says, its answer or its end.
local function estimate(entry)
  local of, fields = entry.of, {}
  for key, value in pairs(of) do
    fields[key] = plain(value)
  end
  fields.interval, fields.fit, fields.text = of.interval, of.fit, plain(entry.text)
  return fields
end

--- Which devices a run has, where they are several.
local function devices_of(entry)
  local list
  for i, each in ipairs(entry.devices or {}) do
    list = list or {}
    list[i] = { place = each.place, name = each.name, channels = json.list { table.unpack(each.channels) },
      simulated = each.simulated }
  end
  return list
end

--- How long another device may fire: none of it is text, and of its instants other programs know what is
--- left, and their own clock.
local function add_watch(fields, entry)
  fields.refractory_s = entry.refractory_ns / 1e9
  fields.timeout_s = (entry.until_ns - entry.from_ns) / 1e9
  fields.until_mono_s = not core.is_virtual() and entry.until_ns / 1e9 or nil
end

--- A line of the journal: the event that it is, and what is said of it; nil: it is none.
---@param kind string
---@param entry table
---@param origin_ns integer? what the run's clock counts from (monotonic)
---@return string? event
---@return table fields
function M.act(kind, entry, origin_ns)
  local of, fields = acts[kind], {}
  if kind == "mark" and type(entry.of) == "table"
    and (entry.of.hunt or entry.of.staircase or entry.of.curve) then
    return "estimate", estimate(entry)
  elseif not of then
    return nil, fields
  end
  for i = 2, #of do
    fields[of[i]] = plain(entry[of[i]])
  end
  if kind == "begin" then
    fields.device, fields.parameters = entry.device, entry.parameters
    fields.devices = devices_of(entry)
  elseif kind == "watch" then
    add_watch(fields, entry)
  elseif kind == "play" and entry.start_ns then
    fields.starts_mono_s = not core.is_virtual() and entry.start_ns / 1e9 or nil
    fields.starts_s = origin_ns and (entry.start_ns - origin_ns) / 1e9
  end
  fields.at_s = entry.at_ns and entry.at_ns / 1e9
  return of[1], fields
end

return M
