--- The option channels=NAME=OUTPUT,... of a box with numbered outputs: read and checked here for all drivers.
local command = require "moonpulse.driver.command"

local M = {}

local function trimmed(text)
  return text:match("^%s*(.-)%s*$")
end

--- "0 and 1", "1, 2, 3 and 4".
local function listed(outputs)
  return table.concat(outputs, ", ", 1, #outputs - 1) .. " and " .. outputs[#outputs]
end

local function example(outputs)
  return ("channels=left=%d,right=%d"):format(outputs[1], outputs[2])
end

--- The pairs of a text in their order: { the pair as written, channel, output as written }.
local function pairs_of(text)
  local list = {}
  for part in (text .. ","):gmatch("([^,]*),") do
    local name, output = part:match("^(.*)=([^=]*)$")
    list[#list + 1] = { trimmed(part), name and trimmed(name), output and trimmed(output) }
  end
  return list
end

--- Which of outputs is written so? Digits and nothing else: 1.5, 2x and 12 are none.
local function output_of(written, outputs)
  for _, output in ipairs(outputs) do
    if written == tostring(output) then
      return output
    end
  end
end

--- A mapping of channels to outputs. Raises a refusal that names the pair, the outputs and an example.
---@param description string of the device
---@param text string "left=1,right=2"
---@param outputs integer[] that the device has
---@return table<string, integer>
local function read(description, text, outputs)
  local map = {}
  for _, pair in ipairs(pairs_of(text)) do
    local written, name, output = pair[1], pair[2], output_of(pair[3], outputs)
    if not name or name == "" or name:find("=", 1, true) or not output then
      command.refuse("channels = %q: %q gives no channel an output: the outputs of a %s are %s; write %s",
        text, written, description, listed(outputs), example(outputs))
    elseif map[name] then
      command.refuse("channels = %q: %q gives channel %q a second output, and it has one: the outputs of "
        .. "a %s are %s; write %s", text, written, name, description, listed(outputs), example(outputs))
    end
    map[name] = output
  end
  return map
end

--- The driver's option.
---@param description string of the device
---@param outputs integer[] two or more
---@param help string
---@return moonpulse.Spec spec
function M.option(description, outputs, help)
  return { "channels", "text", "^.+$", optional = true, help = help,
    form = ("name=%d,other=%d"):format(outputs[1], outputs[2]),
    check = function(text) read(description, text, outputs) end }
end

--- The channels that an option names, in their order.
---@param text string? a checked option
---@return string[]
function M.names(text)
  local names = {}
  for i, pair in ipairs(text and pairs_of(text) or {}) do
    names[i] = pair[2]
  end
  return names
end

local last = {} -- asked for every pulse, nearly always of the same text

--- The output that a channel was given; nil where the option says nothing of it.
---@param text string? a checked option
---@param name string
---@return integer?
function M.output(text, name)
  if not text then
    return nil
  elseif last.text ~= text then
    last = { text = text, map = {} }
    for _, pair in ipairs(pairs_of(text)) do
      last.map[pair[2]] = math.tointeger(tonumber(pair[3]))
    end
  end
  return last.map[name]
end

return M
