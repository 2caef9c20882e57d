--- The inputs of tests/data/cases, run through the program: what the simulator gave, against what is written
--- down by hand.
local shell = require "shell"

local M = {}

--- A protocol of tests/data/cases.
function M.path(name)
  return ("tests/data/cases/%s.lua"):format(name)
end

--- Run one. The record's folder is the last value: nil where nothing was run.
---@param folder string of this test
---@param name string
---@param arguments string shell text
---@return integer status
---@return string out
---@return string err
---@return string? record
function M.run(folder, name, arguments)
  local runs = folder .. "/runs"
  shell.remove(runs)
  local status, out, err = shell.moonpulse(folder, ("run %s %s --out %s"):format(M.path(name), arguments,
    shell.quote(runs)))
  local record = shell.names(runs)[1]
  return status, out, err, record and runs .. "/" .. record
end

--- Pulses at one rate.
---@param list table[] of { s, channel, mso }: appended to
---@param at_s number the first one's onset
function M.train(list, at_s, count, period_s, mso, channel)
  for i = 0, count - 1 do
    list[#list + 1] = { s = at_s + i * period_s, channel = channel or "1", mso = mso }
  end
  return list
end

local function pulses_of(path)
  local list = {}
  for _, row in ipairs(shell.rows(path)) do
    if row.event == "pulse" then
      list[#list + 1] = row
    end
  end
  return list
end

--- What the simulator gave, from its own state, in seconds from its first pulse.
---@return table[] pulses { s, channel, mso, mode }
function M.given(record)
  local list, first = {}, nil
  for i, row in ipairs(pulses_of(record .. "/twin.tsv")) do
    first = first or tonumber(row.time)
    list[i] = { s = tonumber(row.time) - first, channel = row.channel, mso = tonumber(row.intensity),
      mode = row.mode }
  end
  return list
end

--- What the record says of the pulses, in seconds from the plan's start: as it was planned, with its status.
function M.recorded(record)
  local list = {}
  for i, row in ipairs(pulses_of(record .. "/events.tsv")) do
    list[i] = { s = tonumber(row.onset_planned_us) / 1e6, channel = row.channel,
      mso = tonumber(row.intensity_mso), status = row.status }
  end
  return list
end

--- What `moonpulse events` lists.
function M.listed(folder, name, arguments)
  local status, out, err = shell.moonpulse(folder, ("events %s %s"):format(M.path(name), arguments))
  assert(status == 0, err)
  local path, list = folder .. "/listed.tsv", {}
  shell.write(path, out)
  for i, row in ipairs(pulses_of(path)) do
    list[i] = { s = tonumber(row.onset_us) / 1e6, channel = row.channel, mso = tonumber(row.intensity_mso) }
  end
  return list
end

local function words(pulse)
  return pulse and ("%.6f s, channel %s, %s %%MSO"):format(pulse.s, pulse.channel, pulse.mso or "?")
    or "nothing"
end

--- Raises where the lists differ. What a list says no intensity of (n/a) is not compared.
---@param wanted table[]
---@param got table[]
---@param tolerance { s: number?, mso: number? }? 1.5 us (listed onsets are whole microseconds), 0.02 %
function M.same(wanted, got, tolerance)
  tolerance = tolerance or {}
  for i = 1, math.max(#wanted, #got) do
    local a, b = wanted[i], got[i]
    local same = a and b and a.channel == b.channel and math.abs(a.s - b.s) <= (tolerance.s or 1.5e-6)
      and (not (a.mso and b.mso) or math.abs(a.mso - b.mso) <= (tolerance.mso or 0.02))
    if not same then
      error(("pulse %d: wanted %s; got %s"):format(i, words(a), words(b)), 2)
    end
  end
end

return M
