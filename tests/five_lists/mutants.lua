--- Faults to plant, one at a time, into the modules that play a plan. Each has the device and timing on
--- which it is looked for, and plant(swap), which puts a wrapped function in another's place.
local core = require "moonpulse.core"
local gate = require "moonpulse.safety.gate"
local intensities = require "moonpulse.compose.intensity"
local records = require "moonpulse.record"
local trains = require "moonpulse.safety.trains"

local function driver(name)
  return require("moonpulse.devices." .. name)
end

--- What change(encode) does to a driver's encode, which may be a function of the options.
local function encoding(swap, name, change)
  local module = driver(name)
  local function changed(encode)
    local own = {}
    for key, value in pairs(encode) do
      own[key] = value
    end
    change(own, encode)
    return own
  end
  local given = module.encode
  swap(module, "encode", type(given) == "table" and changed(given) or function(options)
    return changed(given(options))
  end)
end

--- What change(simulator) does to each new simulator.
local function simulating(swap, name, change)
  local model = require("moonpulse.simulators." .. name)
  local new = model.new
  swap(model, "new", function(...)
    local simulator = new(...)
    change(simulator)
    return simulator
  end)
end

--- What change(record) does to each new record.
local function recording(swap, change)
  local create = records.create
  swap(records, "create", function(...)
    local record, message = create(...)
    change(record)
    return record, message
  end)
end

--- The methods of a lowering.
local function lowering_methods()
  local mp = require "moonpulse"
  local one = core.lowering(mp.pulse(mp.mso(50)), 1,
    { baud = 9600, bits = 8, parity = "none", stop_bits = 1, flow = "none" }, 0)
  return debug.getmetatable(one).__index
end

--- What change(add) does to each pulse that the gate hears.
local function hearing(swap, change)
  local new = trains.new
  swap(trains, "new", function(...)
    local finder = new(...)
    local add, add_run = finder.add, finder.add_run
    function finder:add(at, action, origin, rest)
      at, action = change(at, action)
      return add(self, at, action, origin, rest)
    end
    function finder:add_run(at, count, every, action, origin, rest, every_rest)
      local first, other = change(at, action)
      return add_run(self, first, count, change(at + every, action) - first, other, origin, rest, every_rest)
    end
    return finder
  end)
end

local list = {
  { name = "the gate sees every pulse at 1 %MSO", device = "duomag", timing = "host", plant = function(swap)
    local weak = { intensity = 1, reference = "MSO", channel = "1" }
    hearing(swap, function(at) return at, weak end)
  end },
  { name = "the gate sees every onset a hundred times later", device = "magventure", timing = "host",
    plant = function(swap)
      hearing(swap, function(at, action) return at * 100, action end)
    end },
  { name = "the setting of the next train is sent into the running train", device = "magventure",
    timing = "device", plant = function(swap)
      local methods = lowering_methods()
      local lasts = methods.lasts
      swap(methods, "lasts", function(self, action, busy) return lasts(self, action, busy, 0) end)
    end },
  { name = "the draws of rests hang on how the plan is split", device = "pulsepal", timing = "device",
    plant = function(swap)
      local timing, mp = require "moonpulse.lowering.device_trains", require "moonpulse"
      local split = timing.split
      swap(timing, "split", function(plan, ...)
        local new, programs, host, why = split(plan, ...)
        return #programs > 0 and mp.rest { min = 0, max = 1e-9 } .. new or new, programs, host, why
      end)
    end },
  { name = "a burst stays set for the single pulse behind it", device = "magventure", timing = "device",
    plant = function(swap)
      local programs = require "moonpulse.devices.magventure.trains"
      local change = programs.change
      swap(programs, "change", function(from, to)
        local frames, why = change(from, to)
        return frames and not to and {} or frames, why
      end)
    end },
  { name = "two channels go to one coil", device = "pulsepal", timing = "host", plant = function(swap)
    encoding(swap, "pulsepal", function(own, encode)
      own.pulse = function(action)
        return encode.pulse(setmetatable({ channel = "1" }, { __index = action }))
      end
    end)
  end },
  { name = "a setting is lost on the wire", device = "magstim200", timing = "host", plant = function(swap)
    simulating(swap, "magstim200", function(simulator)
      local settings, receive = 0, simulator.receive
      simulator.receive = function(self, bytes, now_ns)
        local kept, lost = bytes:gsub("@%d%d%d.", "")
        settings = settings + lost
        bytes = lost == 1 and settings == 2 and kept or bytes -- the first is that of arming
        return receive(self, bytes, now_ns)
      end
    end)
  end },
  { name = "another plan is judged than is played", device = "duomag", timing = "auto", plant = function(swap)
    local clear = gate.clear
    swap(gate, "clear", function(lowering, given)
      return clear(lowering, setmetatable({ seed = given.seed + 1 }, { __index = given }))
    end)
  end },
  { name = "the gate misses the last pulse of each train", device = "duomag", timing = "host",
    plant = function(swap)
      local new = trains.new
      swap(trains, "new", function(...)
        local finder = new(...)
        local add_run = finder.add_run
        finder.add_run = function(self, at, count, ...)
          return add_run(self, at, math.max(1, count - 1), ...)
        end
        return finder
      end)
    end },
  { name = "intensities are cut off, not rounded", device = "duomag", timing = "host", plant = function(swap)
    local resolve = intensities.resolve
    swap(intensities, "resolve", function(...)
      local mso, message, code = resolve(...)
      return mso and math.floor(mso), message, code
    end)
  end },
  { name = "%AMT is taken as %RMT", device = "duomag", timing = "host", plant = function(swap)
    local resolve = intensities.resolve
    swap(intensities, "resolve", function(intensity, thresholds)
      return resolve(intensity, { rmt = thresholds.rmt, amt = thresholds.rmt })
    end)
  end },
  { name = "a new power is never told", device = "magstim200", timing = "host",
    plant = function(swap)
      encoding(swap, "magstim200", function(own, encode)
        own.set = function(from, to)
          return encode.set(from, setmetatable({ mso = from.mso }, { __index = to }))
        end
      end)
    end },
  { name = "power B of a pair stays for the single pulse behind it", device = "bistim", timing = "device",
    plant = function(swap)
      encoding(swap, "bistim", function(own, encode)
        own.set = function(from, to)
          local bytes, lead = encode.set(from, to)
          return bytes and not to.train and bytes:gsub("A%d%d%d.", "") or bytes, lead
        end
      end)
    end },
  { name = "a train that the device times has ten pulses less", device = "rapid", timing = "device",
    plant = function(swap)
      encoding(swap, "rapid", function(own, encode)
        own.train = function(part, identity)
          local level = part.levels[1]
          local less = level and 10 * level.period
          local fewer = level and level.count > 10 and #part.levels == 1 and setmetatable({
            pulses = part.pulses - 10, last = part.last - less, span = part.span - less,
            levels = { setmetatable({ count = level.count - 10 }, { __index = level }) },
          }, { __index = part })
          return encode.train(fewer or part, identity)
        end
      end)
    end },
  { name = "the device's latency is forgotten", device = "magstim200", timing = "host", plant = function(swap)
    local lowering = core.lowering
    swap(core, "lowering", function(plan, seed, serial, _, ...)
      return lowering(plan, seed, serial, 0, ...)
    end)
  end },
  { name = "the record keeps the intensity of the first pulse", device = "duomag", timing = "host",
    plant = function(swap)
      recording(swap, function(record)
        local set_actions = record.set_actions
        record.set_actions = function(self, ...)
          set_actions(self, ...)
          for i in ipairs(self.tails) do
            self.tails[i] = self.tails[1]
          end
        end
      end)
    end },
  { name = "the record has marks before their time", device = "duomag", timing = "host",
    plant = function(swap)
      recording(swap, function(record)
        local event = record.event
        record.event = function(self, kind, planned_ns, ...)
          return event(self, kind, kind == "mark" and planned_ns - 1300000 or planned_ns, ...)
        end
      end)
    end },
  { name = "the device gives a pulse twice", device = "trigger", timing = "host", plant = function(swap)
    simulating(swap, "trigger_box", function(simulator)
      local receive, count = simulator.receive, 0
      simulator.receive = function(self, ...)
        local replies, log = receive(self, ...)
        for _, entry in ipairs(log or {}) do
          count = count + (entry.event == "pulse" and 1 or 0)
          if entry.event == "pulse" and count == 3 then
            log[#log + 1] = entry
            break
          end
        end
        return replies, log
      end
    end)
  end },
}

return list
