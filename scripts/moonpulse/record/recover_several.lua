--- The flight records of a run on several devices, one each, back into the rows of one table: each goes
--- through its own part of a record, as when the run was live (moonpulse.record.together).
local journals = require "moonpulse.record.journal"
local flight_of = require "moonpulse.record.recover_flight"
local lfs = require "lfs"
local replays = require "moonpulse.record.replay"
local schema = require "moonpulse.record.schema"
local together = require "moonpulse.record.together"

local M = {}

local most_devices = 16

---@class moonpulse.DeviceInternals what recover.json has of one of several devices
---@field place string
---@field channels string[]
---@field name string of its driver
---@field driver string? its file
---@field flight table

--- What recover.json says of several devices, as far as it can be taken for that.
---@param internals moonpulse.Internals
---@return moonpulse.DeviceInternals[]? nil: the run had one device
function M.devices(internals)
  local found, known = internals.devices, {}
  if type(found) ~= "table" or #found == 0 or #found > most_devices then
    return nil
  end
  for _, each in ipairs(found) do
    local place = type(each) == "table" and each.place
    local is_place = type(place) == "string" and place:find("^[%w_%-]+$") and not known[place]
    if not is_place or type(each.channels) ~= "table" or type(each.name) ~= "string" then
      return nil
    end
    known[place] = true
  end
  return found
end

--- The plan of one device as its flight record needs it.
local function entry_of(each, manifest)
  local facts, message = schema.flight(each.flight)
  if not facts then
    return nil, message
  end
  facts.kind, facts.from_ns, facts.play = "play", math.mininteger, 1
  facts.pulses = manifest.protocol and manifest.protocol.pulses or facts.pulses or 0
  facts.shared = true
  return facts
end

--- A plan with what of it is one device's own.
local function with(entry, own)
  local one = { shared = true }
  for _, from in ipairs { entry, own } do
    for key, value in pairs(from) do
      one[key] = value
    end
  end
  return one
end

--- The plans of a script that one device had a part in, with what is its own; its settings; of the first one
--- also the script's marks.
---@param entries table[] of the journal
---@param device moonpulse.DeviceInternals
---@param is_first boolean
---@return table[]
local function part_of(entries, device, is_first)
  local list, channels = {}, {}
  for _, channel in ipairs(device.channels) do
    channels[channel] = true
  end
  for _, entry in ipairs(entries) do
    local own
    for _, each in ipairs(entry.devices or {}) do
      own = each.place == device.place and each or own
    end
    if own then
      list[#list + 1] = with(entry, own)
    elseif entry.kind == "mark" and is_first or entry.kind == "set" and channels[entry.action.channel] then
      list[#list + 1] = entry
    end
  end
  return list
end

--- The plans of each device.
local function entries_of(folder, manifest, devices)
  local of = {}
  if manifest.kind ~= "experiment" then
    for i, each in ipairs(devices) do
      local entry, why = entry_of(each, manifest)
      if not entry then
        return nil, ("%s/recover.json: %s: what was sent cannot be told from %s/flight.bin"):format(folder,
          why, each.place), "lost"
      end
      of[i] = { entry }
    end
    return of, {}
  elseif lfs.attributes(folder .. "/journal.jsonl", "mode") ~= "file" then
    for i in ipairs(devices) do
      of[i] = {}
    end
    return of, { "there is no journal.jsonl, which says what was played: what was sent is counted from "
      .. "flight.bin" }
  end
  local entries, said = journals.read(folder, math.tointeger(manifest.journal_lines))
  for i, each in ipairs(entries and devices or {}) do
    of[i] = part_of(entries, each, i == 1)
  end
  of.all = entries
  return entries and of, said
end

--- All flight records of a run, as one.
---@param folder string
---@param manifest table
---@param devices moonpulse.DeviceInternals[]
---@param progress (fun(what: string, done: integer, total: integer, of: string))?
---@return moonpulse.Flight? flight with several: of each device
---@return table[]|string entries the plan; message
---@return "lost"|"unread"|nil
function M.read(folder, manifest, devices, progress)
  local one = { several = {}, list = {}, said = {},
    losses = { torn = 0, empty = 0, missing = 0, stored = 0 } }
  local of, journal_said, is_lost = entries_of(folder, manifest, devices)
  if not of then
    return nil, journal_said, is_lost
  end
  for i, each in ipairs(devices) do
    local path = ("%s/%s/flight.bin"):format(folder, each.place)
    local flight, message, lost = flight_of.read(path, progress, true)
    if not flight then
      return nil, message, lost
    end
    if manifest.kind ~= "experiment" then
      of[i][1].start_ns = flight.start_ns
    end
    one.several[i] = { flight = flight, entries = of[i], device = each }
    one.start_ns = one.start_ns or flight.start_ns
    table.move(flight.list, 1, #flight.list, #one.list + 1, one.list)
    for _, text in ipairs(flight.said) do
      one.said[#one.said + 1] = each.place .. ": " .. text
    end
    for key in pairs(one.losses) do
      one.losses[key] = one.losses[key] + flight.losses[key]
    end
    one.losses.version = math.min(one.losses.version or flight.losses.version, flight.losses.version)
  end
  table.move(journal_said, 1, #journal_said, #one.said + 1, one.said)
  return one, of.all or one.several[1].entries
end

--- Write all rows, of a run on one device or on several.
---@param record moonpulse.Record they go there; of several devices it is divided
---@param flight moonpulse.Flight what is missing or damaged is added to what it says
---@param entries table[] of one device
---@param driver table of one device: has the words for the replies
---@param driver_of fun(device: moonpulse.DeviceInternals): table the same of each of several
---@param progress (fun(what: string, done: integer, total: integer, of: string))?
---@return boolean complete the plan came to its end on each
---@return integer planned
---@return integer unknown
function M.replay(record, flight, entries, driver, driver_of, progress)
  if not flight.several then
    return replays.all(record, flight, entries, driver, flight.said, progress)
  end
  local said = flight.said
  local devices, complete, planned, unknown = {}, true, 0, 0
  for _, entry in ipairs(entries) do -- of a script: each plan once
    planned = planned + (entry.kind == "play" and entry.devices and entry.pulses or 0)
  end
  for i, each in ipairs(flight.several) do
    devices[i] = each.device
  end
  for i, part in ipairs(together.divide(record, devices)) do
    local each = flight.several[i]
    part.start_ns = each.flight.start_ns
    local own, words = {}, driver_of(each.device)
    local whole, pulses, more = replays.all(part, each.flight, each.entries, words, own, progress)
    for _, text in ipairs(own) do
      said[#said + 1] = each.device.place .. ": " .. text
    end
    complete, planned, unknown = complete and whole, math.max(planned, pulses), unknown + more
  end
  return complete, planned, unknown
end

return M
