-- Seeds for the fuzzer: every reply that a driver's simulator can be made to give, whole and in pieces.
--   build/moonpulse lua tests/fuzz/corpus.lua DRIVER FOLDER
local conformance = require "moonpulse.conformance"
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"

local name, folder = ...

local function write(number, text)
  local file = assert(io.open(("%s/seed-%03d"):format(folder, number), "wb"))
  file:write(text)
  file:close()
end

--- The fuzzer's input: the dialect, then pieces of at most size bytes with their length before.
local function input(bytes, size, dialect)
  local parts = { string.char(dialect) }
  for at = 1, #bytes, size do
    local piece = bytes:sub(at, at + size - 1)
    parts[#parts + 1] = string.char(#piece) .. piece
  end
  return table.concat(parts)
end

core.run(function()
  local replies = conformance.kit(assert(devices.find(name))):harvest()
  local all = table.concat(replies)
  for i, bytes in ipairs(replies) do
    write(i, input(bytes, 63, i % 6))
  end
  for i = 0, 5 do
    write(1000 + i, input(all:sub(1, 400), 5 + 9 * i, i))
  end
end)
