--- Trains of the Rapid² family as programs: what the unit takes, and the wait that it needs.
--
-- Ranges by software: MagPy 92bf2d0 and MAGIC ed58dd1. The wait after a train is
-- max(0.5, N (f J - 1050) / (1050 f)) s and a train takes at most 63000 / (f J) s within a minute,
-- with J joules a pulse: the supply gives 1050 W (MagPy, MAGIC; issue MAGIC#22 warns of damage).
-- The unit does not keep that wait by itself.
local commands = require "moonpulse.devices.rapid.commands"
local limits = require "moonpulse.data.rapid_power"
local talk = require "moonpulse.devices.magstim.talk"

local M = {}

local send = commands.commands
local WATTS, MINUTE_JOULES, LOCKED_S = 1050, 63000, 0.5
local PULSE_S = 0.05 -- ours: from a train's last pulse, by its nominal time, until it surely was given

--- What the supply gives to pulses that come by edges: the unit's trains are held to the same.
M.supply = {
  joules = function(action) return limits.joules(action.mso) end, most = MINUTE_JOULES, seconds = 60,
  why = "its supply gives 1050 W: MagPy 92bf2d0, MAGIC ed58dd1",
}

--- What counts for a unit: its options, and its software where it told.
---@param options table?
---@param identity table?
function M.settings(options, identity)
  options = options or {}
  -- without an answer: a unit with an unlock code has software 9 or later, others answer none
  local version = identity and identity.firmware or options.version or options.code and "9.0" or "8.0"
  return { model = options.model or "rapid", mains = options.mains or 115, version = version,
    recent = commands.major(version) >= 9, enhanced = options.enhanced == 1 }
end

--- The highest rate at a power, Hz.
---@param set table of settings()
---@param percent number %MSO
---@return number
function M.rate(set, percent)
  return limits.rate(percent, set.model, set.mains)
end

--- Which table counts, for sentences.
---@param set table of settings()
---@return string
function M.model_text(set)
  return ("model=%s mains=%d (--device-option)"):format(set.model, set.mains)
end

--- The rate in tenths of Hz, exactly; nil and why where the unit has no such rate.
local function rate_of(level, set, percent)
  local num, den = level.num, level.den
  local hz, most = den / num, M.rate(set, percent)
  if hz > most + 1e-9 then
    return nil, ("%.6g Hz is over the %d Hz that it gives at %d %%, for %s"):format(hz, most, percent,
      M.model_text(set))
  elseif hz < 0.1 - 1e-9 then
    return nil, ("%.6g Hz is below its 0.1 Hz"):format(hz)
  end
  local step = hz > 30 and 1 or 10 -- tenths up to 30 Hz
  if (step * den) % num ~= 0 then
    local below = math.floor(hz * step) / step
    return nil, ("%.6g Hz is off its steps of %g Hz: the nearest are %s%g Hz"):format(hz, 1 / step,
      below > 0 and ("%g and "):format(below) or "", (math.floor(hz * step) + 1) / step)
  end
  return (10 * den) // num
end

--- How long n pulses at tenths / 10 Hz last, in tenths of a second; nil and why where the unit cannot.
local function duration_of(n, tenths, set)
  local most_n, most_s = set.recent and 6000 or 1000, set.recent and 600 or 10
  local s = 10 * n / tenths
  local software = set.recent and "software 9 and later" or "software before 9"
  if n > most_n then
    return nil, ("a train of %d pulses is over the %d of %s"):format(n, most_n, software)
  elseif s > most_s + 1e-9 then
    return nil, ("a train of %.6g s is over the %d s of %s"):format(s, most_s, software)
  end
  -- n = f T must hold in whole steps: tenths of a second, whole seconds above 30 s
  local step = s > 30 and 10 or 1
  if (100 * n) % (tenths * step) ~= 0 then
    local function fits(count)
      return (100 * count) % (tenths * step) == 0
    end
    local below, above = n, n
    while below > 0 and not fits(below) do
      below = below - 1
    end
    while not fits(above) do
      above = above + 1
    end
    return nil, ("%d pulses at %g Hz last %.6g s, off its steps of %g s: %s%d pulses fit"):format(n,
      tenths / 10, s, step / 10, below > 0 and below .. " or " or "", above)
  end
  return 100 * n // tenths
end

--- Seconds that the unit needs between two trains.
---@param n integer pulses
---@param hz number
---@param percent integer
function M.wait(n, hz, percent)
  return math.max(0.5, n * (hz * limits.joules(percent) - WATTS) / (WATTS * hz))
end

--- The one level of a part that is a train of equal pulses; nil and why for all else.
local function level_of(part, set)
  local cell, level = part.cell, part.levels[1]
  if set.enhanced then
    return nil, "enhanced power is for single pulses only: leave out --device-option enhanced"
  elseif #cell > 1 or #part.levels ~= 1 then
    return nil, "over the serial line it gives trains of one rate and one power, and single pulses at most "
      .. "1 Hz; theta burst, bursts and pairs come by edges on its trigger input: --trigger rts"
  elseif part.timing == "auto" and level.num >= level.den then
    return nil, "up to 1 Hz single pulses are ours to time: each is confirmed, and a stop ends them at once"
  end
  return level
end

--- A part of a plan as a program; nil and why where the unit cannot time it.
---@param part moonpulse.Part
---@param set table of settings()
function M.program(part, set)
  local level, tenths, why, duration
  level, why = level_of(part, set)
  if not level then
    return nil, why
  end
  local percent, n = part.cell[1].action.mso, level.count
  tenths, why = rate_of(level, set, percent)
  if not tenths then
    return nil, why
  end
  duration, why = duration_of(n, tenths, set)
  if not duration then
    return nil, why
  end
  local hz, s, joules = tenths / 10, duration / 10, limits.joules(percent)
  local on_s = MINUTE_JOULES / (hz * joules)
  if math.min(s, 60) > on_s + 1e-9 then
    return nil, ("at %d %% and %g Hz it gives %.1f s within a minute, the train has %g s"):format(percent,
      hz, on_s, s)
  end
  local wait = M.wait(n, hz, percent)
  return {
    start = send.fire(), busy = s + wait, locked = s + LOCKED_S, over = part.last + PULSE_S, confirms = 1,
    ahead = true,
    hz = hz, n = n, s = s, version = set.version,
    text = ("%d pulses at %g Hz, then %.2f s of wait"):format(n, hz, wait),
  }
end

--- The frames that tell the unit a train, in MAGIC's order; after the power, which limits the rate.
---@param train table a program
---@param version string
---@param before table? the train that it has
---@return { bytes: string, reply: string, what: string }[]
function M.frames(train, version, before)
  local list, had = {}, before or {}
  if train.hz ~= had.hz then
    list[1] = { bytes = send.set_frequency { hz = train.hz }, reply = "set_frequency",
      what = "the rate" }
  end
  if train.s ~= had.s then
    list[#list + 1] = { bytes = send.set_duration { s = train.s, version = version },
      reply = "set_duration", what = "the duration" }
  end
  if train.n ~= had.n then
    list[#list + 1] = { bytes = send.set_pulses { n = train.n, version = version },
      reply = "set_pulses", what = "the number of pulses" }
  end
  return list
end

--- From one action to the next while armed: the frames, the lead, and what the unit must confirm.
---@param from moonpulse.Action
---@param to moonpulse.Action
function M.change(from, to)
  if (from.train == nil) ~= (to.train == nil) then
    return nil, "the unit goes from trains to single pulses in standby only: make it two runs, or "
      .. "all of it trains that it times"
  end
  local bytes, fields = {}, {}
  if from.mso ~= to.mso then
    bytes[1], fields[1] = send.set_power { percent = to.mso }, "the power"
  end
  -- a higher power may lower the rate that it has: then it is told again
  local before = from.mso >= to.mso and from.train or nil
  for _, each in ipairs(to.train and M.frames(to.train, to.train.version, before) or {}) do
    bytes[#bytes + 1] = each.bytes
    fields[2] = "the train"
  end
  if fields[2] and not fields[1] then
    fields = { "the train" }
  end
  return table.concat(bytes), 0.05 * #bytes + talk.settling(from.mso, to.mso), fields,
    talk.falling("the power", from.mso, to.mso)
end

return M
