--- The measurements that are no blocks: drift, drops, stops, streams, text, start-up.
local cjson = require "cjson"
local core = require "moonpulse.core"
local costs = require "moonpulse.bench.cost"
local lfs = require "lfs"
local programs = require "moonpulse.bench.programs"
local stats = require "moonpulse.bench.stats"

local M = {}

--- 10,000 events of the engine and, at the same time, of the loop that sleeps one period after
--- each write. Neither disturbs the other: both sleep nearly always.
---@param size table
---@param peers table
---@return table { engine = table, relative = table? }
function M.drift(size, peers)
  local loop = peers.python and io.popen(programs.pyserial_command(peers.python, "relative",
    size.drift_us, 10000), "r")
  local raw = programs.measure("onset", { ["period-us"] = size.drift_us, pulses = 10000 })
  local result = { period_us = size.drift_us, void = raw.void ~= "" and raw.void or nil,
    fifo = raw.fifo }
  if raw.errors_ns then
    result.engine = stats.drift(raw.errors_ns)
  end
  if loop then
    local text = loop:read("a")
    local ok, relative = pcall(cjson.decode, loop:close() and text or "")
    result.relative = ok and relative.errors_ns and stats.drift(relative.errors_ns) or nil
  end
  return result
end

--- 10,000 pulses at 1 kHz under load, with the flight record: what is missing from the log?
---@return table
local function drops()
  local path = programs.folder .. "/flight.tmp"
  local raw = programs.under_load(programs.measure, "onset",
    { ["period-us"] = 1000, pulses = 10000, flight = path })
  os.remove(path)
  return {
    planned = raw.planned, sent = raw.sent, skipped = raw.skipped,
    void = raw.void ~= "" and raw.void or nil,
    dropped = raw.planned - raw.sent - raw.skipped,
  }
end

local function stops(size)
  return programs.start("stops", { rounds = size.stops, seed = core.random_seed() })
end

--- The write step, repeated.
---@param size { blocks: integer } how often
---@return number[] ratios of the p50s
function M.write_step(size)
  local ratios = {}
  for i = 1, size.blocks do
    local raw = programs.measure("write", {})
    ratios[i] = stats.median(raw.port_ns) / stats.median(raw.raw_ns)
  end
  return ratios
end

--- What a record costs, repeated: lists of p50s in nanoseconds.
---@param size { blocks: integer } how often
---@return table
function M.log(size)
  local result = { clock_ns = {}, ring_ns = {}, flight_ns = {}, refused = 0 }
  for i = 1, size.blocks do
    local raw = programs.measure("log", { flight = programs.folder .. "/flight.tmp" })
    for _, name in ipairs { "clock_ns", "ring_ns", "flight_ns" } do
      result[name][i] = stats.median(raw[name])
    end
    result.refused = result.refused + raw.refused + (raw.pushed - raw.popped)
    result.outcome_bytes, result.flight_bytes = raw.outcome_bytes, raw.flight_bytes
  end
  return result
end

local protocol = [[
local mp = require "moonpulse"
return mp.protocol {
  id = "bench", name = "benchmark",
  params = { bursts = { default = 1, min = 1, max = 10000000 } },
  plan = function(p)
    return mp.burst { pulses = 5, hz = 50, intensity = mp.mso(10) }:times(p.bursts, { every = 10 })
  end,
}
]]

--- Seconds that the program needs for pulses more pulses than 5, run with what follows.
local function extra_time(path, pulses, ...)
  local arguments = { ... }
  local function run(bursts)
    local words = programs.command(programs.executable, arguments[1], path, "-p", "bursts=" .. bursts,
      table.unpack(arguments, 2))
    return programs.start_time(nil, "sh", "-c", words .. " >" .. programs.quote(path .. ".out"))
  end
  local few, many = run(1), run(pulses // 5)
  return few and many and math.max(many - few, 1e-6)
end

--- The manifest in a run's folder; nil where there is none.
local function manifest_of(folder)
  local file = folder and io.open(folder .. "/manifest.json")
  if not file then
    return nil
  end
  local manifest = cjson.decode(file:read("a"))
  file:close()
  return manifest
end

--- A run in virtual time, as its manifest tells of it.
---@param out string the folder for its record
---@param ... string the protocol and its options
---@return table? result with pulses_sent, virtual = { took_s, plan_s }
local function virtual_run(out, ...)
  local text = programs.output(programs.command(programs.executable, "run", ...) .. " --speed max --out "
    .. programs.quote(out)) or ""
  local manifest = manifest_of(text:match("\nrecord +(%S+)"))
  return manifest and manifest.result
end

--- How fast the program writes every pulse as text, and runs in virtual time with its record: the
--- latter by the program's own clock, from the first frame to the last row, without what comes before
--- and after every run (loading, checking, the report).
---@param size { blocks: integer } how often
---@return table { events = number[], virtual = number[] pulses a second, session = number[]: how
---  many times real time 3000 pulses at 10 Hz ran }
function M.text(size)
  local path = programs.folder .. "/protocol.lua"
  local out = programs.folder .. "/runs"
  local file = assert(io.open(path, "w"))
  file:write(protocol):close()
  local result = { events = {}, virtual = {}, session = {} }
  for i = 1, size.blocks do
    local events = 4 * size.stream
    local took = extra_time(path, events, "events")
    result.events[i] = took and events / took
    local long = virtual_run(out, path, "-p", "bursts=" .. size.stream // 100, "--timing", "host")
    result.virtual[i] = long and long.pulses_sent / long.virtual.took_s
    local session = virtual_run(out, "hf10_neurostar", "--rmt", "50", "--timing", "host")
    result.session[i] = session and session.virtual.plan_s / session.virtual.took_s
  end
  programs.output(programs.command("rm", "-rf", path, path .. ".out", out))
  return result
end

--- How long the one run in a folder waited for its device's replies until it was armed; nil: there is none.
local function waited_of(out)
  for name in lfs.dir(out) do
    local manifest = name:sub(1, 1) ~= "." and manifest_of(out .. "/" .. name)
    if manifest then
      return manifest.start and manifest.start.waited_s
    end
  end
end

--- Start-up times in seconds.
---@param size { reps: integer } how often
---@param peers { python: string? } what is there to compare with
---@return table lists; armed is what waited (for the device's replies) and ours (all else) add up to
function M.start(size, peers)
  local result = { armed = {}, waited = {}, ours = {}, lua = {}, python = {} }
  local out = programs.folder .. "/runs"
  for _ = 1, size.reps do
    local armed = programs.start_time("timing", programs.executable, "run", "itbs600", "--amt", "50",
      "--out", out)
    local waited = armed and waited_of(out)
    if waited then
      table.insert(result.armed, armed)
      table.insert(result.waited, waited)
      table.insert(result.ours, armed - waited)
    end
    programs.output(programs.command("rm", "-rf", out))
    if peers.lua then
      table.insert(result.lua, programs.start_time(nil, "lua5.4", "-e", ""))
    end
    if peers.python then
      table.insert(result.python, programs.start_time(nil, peers.python, "-c", "import serial"))
    end
  end
  return result
end

--- Everything that is no block, in turn.
---@param size table
---@param peers table
---@param ci boolean only what needs no privileges and little time
---@param say fun(text: string)
---@return table
function M.run(size, peers, ci, say)
  local result = {}
  local function step(name, text, action)
    say(text)
    result[name] = action()
  end
  step("stream", "streams against plain Lua and memory", function()
    return programs.measure("stream", { pulses = size.stream, reps = size.reps,
      lua = programs.folder .. "/expand.lua" })
  end)
  step("memory", "memory", function() return programs.measure("memory", {}) end)
  step("log", "the log's push", function() return M.log(size) end)
  step("write_step", "the write step", function() return M.write_step(size) end)
  step("text", "text and virtual time", function() return M.text(size) end)
  step("drift", "drift over 10,000 pulses", function() return M.drift(size, peers) end)
  local wait_for_stops
  if ci then -- no two pulses too close under load, too; nothing is timed there
    wait_for_stops = stops(size)
  else
    step("cost", "what a record costs", function() return costs.measure(size) end)
    step("start", "start-up", function() return M.start(size, peers) end)
    step("stops", "stops of half a second", function() return stops(size)() end)
  end
  step("drops", "10,000 pulses at 1 kHz under load", drops)
  result.stops = result.stops or wait_for_stops()
  return result
end

return M
