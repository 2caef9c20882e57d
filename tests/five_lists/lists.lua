--- The five lists of a run, as rows { ns, channel, value, ref, mso } or { ns, mark }, in the order of time.
local core = require "moonpulse.core"
local heard = require "five_lists.heard"
local timing = require "moonpulse.lowering.device_trains"
local walk = require "moonpulse.safety.walk"

local M = {}

local PROOF_NS = 1100000000 -- a keep-alive is answered by then

--- What `events` lists of a plan.
---@param plan moonpulse.Plan
---@param seed integer
---@return table[]
function M.listed(plan, seed)
  local schedule, rows = core.schedule(plan, seed), {}
  local actions = schedule:actions()
  for kind, _, _, what, ns in schedule.next, schedule do
    local action = kind == "pulse" and actions[what]
    rows[#rows + 1] = action and { ns = ns, channel = action.channel ~= "" and action.channel or "1",
      value = action.intensity, ref = action.reference } or { ns = ns, mark = what }
  end
  return rows
end

--- What the gate judges while action runs: the pulses that its walk adds up.
---@param action fun(): any
---@return any result
---@return { rows: table[], pulses: integer }? judged the last plan's; pulses: as it counts them
function M.judging(action)
  local trains, judged, finders = walk.trains, nil, nil
  walk.trains = function(plan, seed, emit, progress, by_pulse, more)
    local found = trains(plan, seed, emit, progress, by_pulse, more)
    judged, finders = { pulses = 0 }, more.given.finders
    for kind, pulses in pairs(found.counts) do -- trials are no kind of train: their pulses are in another
      judged.pulses = judged.pulses + (kind == "trials" and 0 or pulses)
    end
    return found
  end
  local ok, result, rows = heard.during(action)
  walk.trains = trains
  if not ok then
    error(result, 0)
  elseif judged then
    judged.rows = heard.rows(finders, rows)
  end
  return result, judged
end

-- What the bytes say: the power that each device was told --------------------------------------------

local power_of = {
  magventure = function(name, values, told)
    if name == "set_amplitude" then
      told.first = values.a
      told.second = values.b
    end
  end,
  magstim200 = function(name, values, told)
    told.first = name == "set_power" and values.percent or told.first
  end,
  duomag = function(name, values, told)
    told.first = name == "set_intensity" and values.percent or told.first
  end,
}
power_of.rapid = power_of.magstim200
--- With A at 0 % a pulse alone is B's.
function power_of.bistim(name, values, told)
  told.a = name == "set_power" and values.percent or told.a
  told.b = name == "set_power_b" and values.percent or told.b
  told.first = told.a > 0 and told.a or told.b
end

--- The waveform and the mode that a pulse was meant to have, as the simulators call them.
local shape_of = {
  magventure = function(program)
    local burst = program and program.setting and program.setting.waveform == "Biphasic_Burst"
    return burst and "Biphasic Burst" or "Biphasic", "Standard"
  end,
  rapid = function(program) return nil, program and "train" or "single" end,
  pulsepal = function() return "monophasic" end,
  stimjim = function() return "monophasic", "Voltage output" end,
}

--- Read one frame, which may hold several commands.
local function read(driver, bytes, told)
  local take, at = power_of[driver.name], 1
  while take and at <= #bytes do
    local name, values, last
    for length = 2, #bytes - at + 1 do
      name, values = driver.explain(bytes:sub(at, at + length - 1), {})
      if name and name ~= "text" then
        last = at + length - 1
        break
      end
    end
    if not last then
      return
    end
    take(name, values, told)
    at = last + 1
  end
end

--- What was lowered to frames: of single pulses the power that the bytes said last; of a program the
--- first pulse's.
---@param played Played
---@param shape { waveform: string?, mode: string? }? of each pulse, where options say it
---@return table[]
function M.lowered(played, shape)
  local lowering, actions, driver = played.job.lowering, played.job.actions, played.job.driver
  local frames, rows, first = lowering:frames(), {}, played.job.first
  local alone = (first.way or ""):find("B alone", 1, true) -- what it was armed with, which no frame says
  local told = { first = first.mso, a = alone and 0 or first.mso, b = alone and first.mso or 0 }
  lowering:rewind()
  for kind, _, ns, _, what, frame in lowering.next, lowering do
    local action = kind ~= "mark" and actions[what]
    if kind == "mark" then
      rows[#rows + 1] = { ns = ns, mark = what }
    elseif kind == "set" or kind == "ask" then
      read(driver, frames[frame].bytes, told)
    else
      local said = power_of[driver.name] and told.first
      local shape_now, waveform, mode = shape_of[driver.name], nil, nil
      if shape then
        waveform, mode = shape.waveform, shape.mode
      elseif shape_now then
        waveform, mode = shape_now(action.train)
      end
      local onsets = action.part and timing.onsets(action.part) or { { offset = 0, action = action } }
      for i, each in ipairs(onsets) do
        local one = each.action
        rows[#rows + 1] = { ns = ns + math.floor(each.offset * 1e9 + 0.5), value = one.intensity,
          ref = one.reference, channel = one.channel ~= "" and one.channel or "1",
          mso = i == 1 and said or one.mso, waveform = waveform, mode = mode }
      end
    end
  end
  lowering:rewind()
  return rows
end

-- Files ----------------------------------------------------------------------------------------------

local function table_of(text)
  local names, rows = {}, {}
  for line in text:gmatch("([^\n]*)\n") do
    local row, i = {}, 0
    for field in (line .. "\t"):gmatch("([^\t]*)\t") do
      i = i + 1
      row[#names > 0 and names[i] or i] = field
    end
    if #names == 0 then
      names = row
    else
      rows[#rows + 1] = row
    end
  end
  return rows
end

--- "12.000000345", seconds, without a rounding.
local function ns_of(text)
  local sign, whole, part = text:match("^(%-?)(%d+)%.(%d%d%d%d%d%d%d%d%d)$")
  local ns = math.tointeger(tonumber(whole)) * 1000000000 + math.tointeger(tonumber(part))
  return sign == "-" and -ns or ns
end

--- What the simulator gave.
---@param played Played
---@param device table in_simulator: its times are the pulses' own, else those of the commands; any_output:
---   which output it was says nothing
---@return table[]
function M.given(played, device)
  local rows, latency_ns = {}, device.in_simulator and 0 or math.floor(played.job.driver.latency * 1e9)
  for _, row in ipairs(table_of(played.simulator)) do
    if row.event == "pulse" then
      rows[#rows + 1] = { ns = ns_of(row.time) + latency_ns - played.record.start_ns,
        channel = not device.any_output and row.channel or nil,
        mso = tonumber(row.intensity), waveform = row.waveform ~= "n/a" and row.waveform or nil,
        mode = row.mode ~= "n/a" and row.mode or nil }
    end
  end
  return rows
end

--- What the record says. The last pulses of a train that a device times and confirms at its start are proven
--- by what it says later (docs/record.md): a script's own stop does not wait for that: they are perhaps_sent.
--- planned: the onsets of the plan in it, else those at which it was sent.
---@param played Played
---@return table[] sent
---@return table[] planned
---@return string? odd a pulse that is neither delivered nor sent
function M.recorded(played)
  local sent, planned, odd, unproven = {}, {}, nil, {}
  for _, row in ipairs(table_of(played.events)) do
    if row.event == "mark" and row.reply:find "^stop requested" then -- what it came too soon for to be proven
      for i, ns in ipairs(unproven) do
        unproven[i] = ns < ns_of(row.onset) - PROOF_NS and ns or nil
      end
    end
    if row.event == "pulse" or row.event == "mark" then
      local is_pulse = row.event == "pulse"
      local one = is_pulse and { channel = row.channel, mso = tonumber(row.intensity_mso),
        value = tonumber(row.intensity), ref = row.intensity_ref } or { mark = row.reply }
      local planned_ns = math.floor(tonumber(row.onset_planned_us) * 1000 + 0.5)
      local other = setmetatable({ ns = planned_ns }, { __index = one })
      one.ns = ns_of(row.onset)
      sent[#sent + 1], planned[#planned + 1] = one, other
      if is_pulse and row.status == "perhaps_sent" and row.timed_by == "device" then
        unproven[#unproven + 1] = one.ns
      elseif is_pulse and row.status ~= "delivered" and row.status ~= "sent" then
        odd = odd or ("pulse %s is recorded as %s"):format(row.pulse, row.status)
      end
    end
  end
  return sent, planned, odd or next(unproven) and "a pulse is recorded as perhaps_sent" or nil
end

return M
