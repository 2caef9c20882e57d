--- Which of the devices can give a plan: for check --each-device.
local devices = require "moonpulse.driver.find"
local json = require "moonpulse.text.sorted_json"
local outputs = require "moonpulse.driver.outputs"
local shortest_iti = require "moonpulse.lowering.shortest_iti"

local M = {}

---@class moonpulse.DeviceVerdict
---@field name string
---@field description string
---@field verdict "within"|"OVER"|"not checked"
---@field message string why
---@field shortest_iti number? seconds from trial to trial, onset to onset, in any order

--- The name of the device as check says it before its reasons: they stand in a column of their own here.
local function without_name(message, name)
  return message:sub(1, #name + 2) == name .. ": " and message:sub(#name + 3) or message
end

--- Each shipped device's hard limits for a plan, as its driver is without options.
---@param check fun(driver: moonpulse.Driver): { verdict: string, message: string }
---@param actions moonpulse.Action[] of the plan
---@param given { plan: moonpulse.Plan, thresholds: { rmt: number?, amt: number? }, timing: string? }
---@return moonpulse.DeviceVerdict[]
function M.of(check, actions, given)
  local list = {}
  for i, name in ipairs(devices.names) do
    local driver = devices.configure(assert(devices.find(name)), {})
    local channels = {}
    for number, action in ipairs(actions) do
      channels[number] = action.channel
    end
    local problem = outputs.surplus(channels, driver)
    local found = problem and { verdict = "OVER", message = problem } or check(driver)
    list[i] = { name = name, description = driver.description, verdict = found.verdict,
      message = without_name(found.message, name),
      shortest_iti = not problem and found.verdict ~= "not checked" and shortest_iti.of(given.plan,
        { driver = driver, thresholds = given.thresholds, timing = given.timing }) or nil }
  end
  return list
end

--- The list as one JSON object.
---@param list moonpulse.DeviceVerdict[]
---@return string
function M.json(list)
  local each = json.list {}
  for i, device in ipairs(list) do
    each[i] = { name = device.name, description = device.description, verdict = device.verdict,
      message = device.message, shortest_iti_s = device.shortest_iti }
  end
  return json.encode { devices = each }
end

--- The list as lines: those that can give the plan first.
---@param list moonpulse.DeviceVerdict[]
---@return string
function M.text(list)
  local lines, names = {}, { within = {}, ["not checked"] = {}, OVER = {} }
  for _, verdict in ipairs { "within", "not checked", "OVER" } do
    for _, device in ipairs(list) do
      if device.verdict == verdict then
        lines[#lines + 1] = ("%-12s %-12s %s"):format(device.name, verdict, device.message)
        lines[#lines + 1] = device.shortest_iti
          and ("%-25s shortest ITI of these trials, in any order: %g s"):format("",
            device.shortest_iti) or nil
        table.insert(names[verdict], device.name)
      end
    end
  end
  lines[#lines + 1] = "can give it  " .. (names.within[1] and table.concat(names.within, ", ") or "none")
    .. ", as their drivers are without options; check --device NAME looks at one, and at the guidelines"
  if names["not checked"][1] then
    lines[#lines + 1] = "perhaps      " .. table.concat(names["not checked"], ", ") .. ": see why not checked"
  end
  return table.concat(lines, "\n")
end

return M
