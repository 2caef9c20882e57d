--- Every frame and reply that other people's software makes, against our drivers (tests/data/*.tsv).
local devices = require "moonpulse.driver.find"
local fields = require "moonpulse.driver.fields"
local shell = require "shell"

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function unhex(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

--- "a=1;b=2" as a table; \n in a text value is a line end.
local function values_of(text)
  local values = {}
  for key, value in text:gmatch("([%w_]+)=([^;]*)") do
    values[key] = value:gsub("\\n", "\n")
  end
  if values.stages then -- the one value that holds the separator of the others is the last
    values.stages = text:match("stages=(.*)$")
  end
  return values
end

for _, name in ipairs(devices.names) do
  local driver = assert(devices.find(name))

  describe("the frames of " .. name, function()
    for _, row in ipairs(shell.rows("tests/data/" .. name .. ".tsv")) do
      local command = driver.commands[row.command]
      if row.bytes_hex ~= "" then
        it(("%s %s"):format(row.command, row.args), function()
          local bytes = command(values_of(row.args))
          assert.are.equal(row.bytes_hex, hex(bytes))
          if not row.args:find("error=") then
            local known, values = driver.explain(bytes, values_of(row.args))
            assert.is_truthy(known, "explain does not know " .. row.bytes_hex)
            assert.are.equal(row.bytes_hex, hex(driver.commands[known](values)))
          end
        end)
      end
    end
  end)

  local replies = io.open("tests/data/" .. name .. "-replies.tsv")
  if replies then
    replies:close()
    describe("the replies of " .. name, function()
      for number, row in ipairs(shell.rows("tests/data/" .. name .. "-replies.tsv")) do
        it(("%d: %s"):format(number, row.command), function()
          local bytes = unhex(row.reply_hex)
          local dialect = values_of(row.command:match("%((.*)%)") or "")
          dialect.whole = true
          local reply, used = driver.decode(bytes, dialect)
          assert.is_truthy(reply)
          assert.are.equal(#bytes, used)
          assert.are.equal(row.fields, fields.text(driver, reply))
        end)
      end
    end)
  end
end
