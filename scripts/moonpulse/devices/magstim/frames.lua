--- Frames of the Magstim family: a command byte, ASCII data, a check byte that makes the sum 0xFF.
--
-- From public programs that control the units (MagPy 92bf2d0, MAGIC ed58dd1, Rapid2 96b9528); the
-- same rule holds in both directions. See docs/drivers.md for what a driver's decode returns.
local command = require "moonpulse.driver.command"

local M = {}

local function sum_of(bytes)
  local sum = 0
  for i = 1, #bytes do
    sum = sum + bytes:byte(i)
  end
  return sum & 0xFF
end

--- data with its check byte.
---@param data string
function M.frame(data)
  return data .. string.char(~sum_of(data) & 0xFF)
end

--- Is the check byte right?
---@param bytes string a whole frame
---@return boolean
function M.valid(bytes)
  return sum_of(bytes) == 0xFF
end

--- The fields of the status byte, in its order.
local status_bits = { "standby", "armed", "ready", "coil_present", "replace_coil", "error_present",
  "error_fatal", "remote" }

--- Write the bits of byte into reply under names.
---@param reply moonpulse.Reply changed
---@param byte integer
---@param names string[] the lowest bit's first
function M.bits(reply, byte, names)
  for i, name in ipairs(names) do
    reply[name] = (byte >> (i - 1)) & 1
  end
end

--- Round a value to the unit's step: it must lie on the grid, or the two next to it are named.
---@param key string for the sentence
---@param value number
---@param per_unit integer steps in 1
---@return integer steps
function M.steps(key, value, per_unit)
  local steps = math.floor(value * per_unit + 0.5)
  if math.abs(steps - value * per_unit) > 1e-6 then
    command.refuse("%s = %.14g: the unit takes steps of %g; %s", key, value, 1 / per_unit,
      command.nearest(value, per_unit))
  end
  return steps
end

local function error_reply(kind, bytes)
  return { name = "error", error = kind, bytes = bytes }
end

--- One reply from the front of buffer.
---@param buffer string
---@param replies table<string, table> by first byte: { name =, length = integer or
---   fun(buffer, dialect): integer?, read = fun(reply, data, dialect)? }; data is what lies between
---   the status byte and the check byte
---@param dialect table
---@return table? reply, integer used
function M.decode(buffer, replies, dialect)
  local first = buffer:sub(1, 1)
  if first == "" then
    return nil, 0
  elseif first == "?" then -- the unit does not know the command
    return error_reply("invalid_command", first), 1
  end
  local known, second = replies[first], buffer:sub(2, 2)
  local refused = second == "?" or second == "S"
  if not known and not (refused and M.valid(buffer:sub(1, 3))) then
    return error_reply("noise", first), 1
  elseif second == "" then
    return nil, 0
  end
  local length = 3
  if not refused then
    length = known.length
    if type(length) == "function" then
      length = length(buffer, dialect)
    end
  end
  if not length or #buffer < length then
    return nil, 0
  end
  local bytes = buffer:sub(1, length)
  if not M.valid(bytes) then
    return error_reply("bad_checksum", bytes), dialect and dialect.whole and #buffer or 1
  elseif refused then
    local reply = error_reply(second == "?" and "invalid_data" or "conflict", bytes)
    return reply, length
  end
  local reply = { name = known.name, bytes = bytes }
  if not known.bare then
    M.bits(reply, bytes:byte(2), status_bits)
  end
  if known.read and known.read(reply, bytes:sub(3, -2), dialect) == false then
    return error_reply("bad_data", bytes), length
  end
  return reply, length
end

--- Digits as a number; false where data is none.
---@param data string
---@return integer|false
function M.number(data)
  return data:find("^%d+$") and math.tointeger(tonumber(data)) or false
end

--- A command without values.
---@param help string
---@param data string the frame's, without its check byte
---@return moonpulse.Command
function M.plain(help, data)
  return command.new(help, {}, function() return M.frame(data) end)
end

--- A power from 0 to most percent, after letter.
---@param help string
---@param letter string
---@param most integer %MSO
---@return moonpulse.Command
function M.power(help, letter, most)
  return command.new(help, { { "percent", "integer", 0, most, help = "%MSO" } },
    function(v) return M.frame(("%s%03d"):format(letter, v.percent)) end)
end

--- Commands that every unit of the family has.
function M.common()
  local fixed = M.plain
  return {
    remote_on = fixed("Take remote control; the keep-alive too.", "Q@"),
    remote_off = fixed("Give up remote control; disarms.", "R@"),
    get_temperature = fixed("Ask for the coil's temperatures.", "F@"),
    arm = fixed("Arm: ready about 1 s later.", "EB"),
    fire = fixed("Fire.", "EH"),
    disarm = fixed("Disarm; always accepted.", "EA"),
    keepalive = fixed("Say that the host is there.", "Q@"),
    set_power = M.power("Set the power.", "@", 100),
  }
end

--- Replies that every unit of the family has.
function M.common_replies()
  return {
    ["Q"] = { name = "remote_on", length = 3 },
    ["R"] = { name = "remote_off", length = 3 },
    ["@"] = { name = "set_power", length = 3 },
    ["E"] = { name = "state", length = 3 },
    ["F"] = { name = "get_temperature", length = 9, read = function(reply, data)
      local one, two = M.number(data:sub(1, 3)), M.number(data:sub(4, 6))
      if not (one and two) then
        return false
      end
      reply.coil1_c, reply.coil2_c = one / 10, two / 10
    end },
  }
end

--- The fields of replies, for moonpulse decode: the status first, then what names says.
---@param replies table
---@param names table<string, string[]> reply -> its own fields
---@param extra string[]? further status fields of all but the bare ones, by reply name
function M.reply_fields(replies, names, extra)
  local fields = { error = { "error" } }
  for _, each in pairs(replies) do
    local list = {}
    if not each.bare then
      table.move(status_bits, 1, #status_bits, 1, list)
    end
    table.move(extra and extra[each.name] or {}, 1, 16, #list + 1, list)
    table.move(names[each.name] or {}, 1, 16, #list + 1, list)
    fields[each.name] = list
  end
  return fields
end

--- The commands whose bytes are fixed, by their bytes, for explain.
---@param commands table
---@param names string[] where two have the same bytes, the first counts
function M.fixed(commands, names)
  local known = {}
  for _, name in ipairs(names) do
    local bytes = commands[name] {}
    known[bytes] = known[bytes] or name
  end
  return known
end

--- What the unit means by an error reply.
M.meanings = {
  invalid_command = "the unit does not know a command: is it the right model?",
  invalid_data = "the unit refused a command's data",
  conflict = "the unit cannot do that now (not ready, not under remote control, or locked)",
  noise = "bytes that are no reply: is the cable sound, and is it 9600 baud?",
  bad_checksum = "a garbled reply (wrong check byte): is the cable sound and fully plugged in?",
  bad_data = "a reply with impossible data: is it the right model?",
}

return M
