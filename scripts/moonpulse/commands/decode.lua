--- moonpulse decode: what bytes from or to a device mean.
local cli = require "moonpulse.cli"
local devices = require "moonpulse.driver.find"
local fields = require "moonpulse.driver.fields"
local term = require "term"

local M = {}

function M.parser()
  local parser = cli.parser("decode",
    "Explain bytes. A device's replies by default: one line of key=value for each; an error has error=. "
      .. "With --sent, commands to the device: their name and values. On a terminal each is named too.",
    "moonpulse decode magventure fe0401231781afff\nmoonpulse decode rapid 5c0175303... version=8.0")
  parser:argument("device", "A device (see moonpulse devices), or the path of a driver.")
    :argname("DEVICE")
  parser:argument("hex", "The bytes, as hexadecimal digits; spaces are ignored."):argname("HEX")
  parser:argument("dialect", "What is known of the firmware, like version=8.0."):args("*")
    :argname("KEY=VALUE")
  parser:flag("--sent", "The bytes went to the device: explain them as commands.")
  return parser
end

local function explain_sent(driver, bytes, dialect)
  local name, values
  if driver.explain then
    name, values = driver.explain(bytes, dialect)
  end
  if not name then
    cli.fail("usage", "these bytes are no command of the %s%s", driver.description,
      type(values) == "string" and ": " .. values or "")
  end
  print((("%s %s"):format(name, fields.values(driver.commands[name], values or {})):gsub(" $", "")))
end

local function explain_replies(driver, bytes, dialect)
  local named, rest = term.isatty(io.stdout), bytes
  while #rest > 0 do
    dialect.whole = true
    local reply, used = driver.decode(rest, dialect)
    if used == 0 then
      cli.fail("usage", "the last %d of %d bytes are the beginning of a reply that is not whole",
        #rest, #bytes)
    end
    rest = rest:sub(used + 1)
    if reply then
      print((named and reply.name .. ": " or "") .. fields.text(driver, reply))
    end
  end
end

function M.run(options)
  local driver, message = devices.find(options.device)
  if not driver then
    cli.fail("usage", "%s", message)
  end
  local digits = options.hex:gsub("%s", "")
  if #digits == 0 or #digits % 2 ~= 0 or digits:find("%X") then
    cli.fail("usage", "%q is not pairs of hexadecimal digits", options.hex)
  end
  local bytes = digits:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end)
  local dialect = {}
  for _, text in ipairs(options.dialect) do
    local key, value = text:match("^([^=]+)=(.*)$")
    if not key then
      cli.fail("usage", "%s: write it as key=value, like version=8.0", text)
    end
    dialect[key] = value
  end
  if options.sent then
    return explain_sent(driver, bytes, dialect)
  end
  return explain_replies(driver, bytes, dialect)
end

return M
