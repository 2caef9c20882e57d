--- moonpulse frame: the bytes of a device's command, in hex.
local cli = require "moonpulse.cli"
local devices = require "moonpulse.driver.find"
local escapes = require "moonpulse.text.escapes"
local in_order = require "moonpulse.text.in_order"

local M = {}

function M.parser()
  local parser = cli.parser("frame",
    "Print the bytes of a command, in hex. Without COMMAND: the commands of the device and what they "
      .. "take. Nothing is sent anywhere.",
    "moonpulse frame magventure set_amplitude a=50\nmoonpulse frame magventure")
  parser:argument("device", "A device (see moonpulse devices), or the path of a driver.")
    :argname("DEVICE")
  parser:argument("command", "The command's name."):args("?"):argname("COMMAND")
  parser:argument("values", "What it takes."):args("*"):argname("KEY=VALUE")
  return parser
end

local function describe(spec)
  local kind = spec[2]
  local text
  if kind == "choice" then
    text = table.concat(spec[3], "|")
  elseif kind == "text" then
    text = spec.form or "text"
  else
    text = ("%.14g..%.14g%s"):format(spec[3], spec[4], kind == "numbers" and ",..." or "")
  end
  text = spec[1] .. "=" .. text
  return (spec.default ~= nil or spec.optional) and "[" .. text .. "]" or text
end

local function list(driver)
  local names = in_order.keys(driver.commands)
  for _, name in ipairs(names) do
    local each, parts = driver.commands[name], {}
    for i, spec in ipairs(each.args) do
      parts[i] = describe(spec)
    end
    print(("%-18s %s"):format(name, each.help))
    if #parts > 0 then
      print((" "):rep(19) .. table.concat(parts, " "))
    end
  end
end

function M.run(options)
  local driver, message = devices.find(options.device)
  if not driver then
    cli.fail("usage", "%s", message)
  elseif not options.command then
    return list(driver)
  end
  local command = driver.commands[options.command]
  if not command then
    cli.fail("usage", "the %s has no command %q: moonpulse frame %s lists them", driver.description,
      options.command, options.device)
  end
  local given = {}
  for _, text in ipairs(options.values) do
    local key, value = text:match("^([^=]+)=(.*)$")
    if not key then
      cli.fail("usage", "%s: write it as key=value", text)
    elseif given[key] then
      cli.fail("usage", "%s is given twice", key)
    end
    given[key] = escapes.bytes(value)
  end
  local ok, bytes = pcall(command, given)
  if not ok then
    if type(bytes) == "table" and bytes.code then
      local named = bytes.message:sub(1, #options.command + 1) == options.command .. " "
      cli.fail(bytes.code, "%s%s", named and "" or options.command .. ": ", bytes.message)
    end
    error(bytes, 0)
  end
  if bytes == "" then -- on the other stream: what is printed is the bytes, and nothing else
    io.stderr:write("no bytes: a line of the port\n")
  end
  print((bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)))
end

return M
