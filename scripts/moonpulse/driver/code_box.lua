--- The box that event codes go to (--codes): a byte on a serial port stands at its outputs, for the trigger
--- input of an amplifier.
local M = {}

local width_s = 0.005 -- a few sampling intervals of an amplifier at 500 Hz to 5 kHz: the choice is ours
local rest_s = 0.001 -- between two codes the box stands at 0 so long: else nobody sees the second one

---@class moonpulse.CodeBox
---@field text string as it was written
---@field path string its port; "sim": the simulated box of virtual time
---@field width number seconds that a code stands
---@field serial moonpulse.Serial
---@field line "rts"|"dtr"|nil for any code this line of the port is high
---@field parallel boolean? it is a parallel port: each code stands at its data pins
---@field any_distance boolean? codes may come closer than it can tell apart

-- as a simulated box hears the bytes of a parallel port: the fastest wire that there is
local fastest_baud = 4000000

local readers = {
  width = function(box, value)
    local ms = tonumber(value)
    local fits = ms ~= nil and ms >= 0.1 and ms <= 1000
    box.width = fits and ms / 1e3 or nil
    return fits, "it is a number of milliseconds from 0.1 to 1000"
  end,
  baud = function(box, value)
    local baud = math.tointeger(tonumber(value))
    local fits = baud ~= nil and baud >= 300 and baud <= 4000000
    box.serial.baud = fits and baud or nil
    return fits, "it is a whole number from 300 to 4000000"
  end,
  line = function(box, value)
    local fits = value == "rts" or value == "dtr"
    box.line = fits and value or nil
    return fits, "it is rts or dtr, the line that is high for each code"
  end,
}

--- What does not go together.
local function mistake(box, given)
  local odd = given.baud or given.line
  if box.parallel and odd then
    return ("%s is of a serial port, and %s is a parallel one: leave it out"):format(odd, box.path)
  elseif given.baud and given.line then
    return ("%s and %s: a line has no baud rate: leave it out"):format(given.baud, given.line)
  end
end

--- Read what --codes says; for argparse.
---@param text string "/dev/ttyUSB1", "/dev/ttyUSB1,width=2,baud=9600", "/dev/ttyS0,line=rts",
---   "/dev/parport0", "sim"
---@return moonpulse.CodeBox?
---@return string? message
function M.parse(text)
  local path, rest = text:match("^([^,]*),?(.*)$")
  local box = { text = text, path = path, width = width_s,
    serial = { baud = 115200, bits = 8, parity = "none", stop_bits = 1, flow = "none" } }
  if path ~= "sim" and not path:find("/", 1, true) then
    return nil, ("--codes %s: it is the path of the box's port, like /dev/ttyUSB1, with settings like "
      .. ",width=5,baud=9600 behind it, or sim in virtual time"):format(text)
  end
  if path:find "/parport%d+$" then
    box.parallel, box.serial.baud = true, fastest_baud
  end
  local given = {}
  for part in rest:gmatch("[^,]+") do
    local key, value = part:match("^(%a+)=(.*)$")
    if not readers[key] then
      return nil, ("--codes %s: %s is no setting: width=MS, baud=N and line=rts or dtr are"):format(text,
        part)
    elseif given[key] then -- the later one would count, and nobody would know
      return nil, ("--codes %s: %s and %s: one of them is meant"):format(text, given[key], part)
    end
    given[key] = part
    local fits, why = readers[key](box, value)
    if not fits then
      return nil, ("--codes %s: %s: %s"):format(text, part, why)
    end
  end
  local wrong = mistake(box, given)
  if wrong then
    return nil, ("--codes %s: %s"):format(text, wrong)
  end
  return box
end

--- What a record has of --codes, which names no folder of its computer, as --codes takes it.
---@param text any of a journal: "ttyUSB1,width=2"
---@return string?
function M.recorded(text)
  if type(text) ~= "string" then
    return nil
  end
  local path = text:match "^[^,]*"
  return path ~= "sim" and not path:find("/", 1, true) and "/dev/" .. text or text
end

--- A simulated box for whoever only looks at what a plan has: it takes codes as close as they come.
---@param width number? seconds that a code stands, if no other comes
---@return moonpulse.CodeBox
function M.for_show(width)
  local box = assert(M.parse "sim,width=0.1,baud=4000000")
  box.width = width or box.width
  box.any_distance = true
  return box
end

--- In words.
---@param box moonpulse.CodeBox
---@return string
function M.describe(box)
  local where = box.path == "sim" and "the simulated box" or box.path
  local width = box.width * 1e3
  if box.parallel then
    return ("a byte at the data pins of %s, and 0 after %g ms"):format(where, width)
  elseif box.line then
    return ("%s of %s is high for %g ms, whatever the code"):format(box.line:upper(), where, width)
  end
  return ("a byte on %s (%d baud), and 0 after %g ms"):format(where, box.serial.baud, width)
end

--- As data, for the manifest.
---@param box moonpulse.CodeBox
---@return table
function M.facts(box)
  return { box = box.text, baud = not box.line and not box.parallel and box.serial.baud or nil,
    line = box.line, width_ms = box.width * 1e3 }
end

--- How far apart two codes must be, so that the box is at 0 between them.
---@param box moonpulse.CodeBox
---@return number seconds
function M.apart(box)
  local bytes_s = not box.line and not box.parallel and 20 / box.serial.baud or 0
  return box.width + bytes_s + rest_s
end

return M
