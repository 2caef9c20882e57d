-- Every message that reaches a simulator leaves a row in its log: what it did, or that it was
-- ignored. Else a pulse that was sent and not given would be missed by nobody.
local devices = require "moonpulse.driver.find"
local shell = require "shell"

local MS = 1000000

local function bin(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

--- The messages that other people's programs send.
local function messages(name)
  local list = {}
  for _, row in ipairs(shell.rows(("tests/data/%s.tsv"):format(name))) do
    if (row.bytes_hex or "") ~= "" then
      list[#list + 1] = { bytes = bin(row.bytes_hex), text = ("%s %s"):format(row.command, row.args) }
    end
  end
  assert(#list >= 2)
  return list
end

--- What a simulator logs of bytes in the second behind them, and when that is over.
local function rows_of(simulator, bytes, now_ns)
  local _, log = simulator:receive(bytes, now_ns)
  local count = #(log or {})
  for ms = 1, 1000, 3 do
    _, log = simulator:tick(now_ns + ms * MS)
    count = count + #(log or {})
  end
  return count, now_ns + 1000 * MS
end

for _, name in ipairs(devices.names) do
  describe("a row for each message: " .. name, function()
    local model = assert(devices.simulator(assert(devices.find(name))))

    it("of one that was just switched on", function()
      for _, message in ipairs(messages(name)) do
        local simulator = model.new {}
        simulator:tick(1000 * MS)
        assert.is_true(rows_of(simulator, message.bytes, 2000 * MS) >= 1, message.text)
      end
    end)

    it("of one that was told all those before, alone and twice in one write", function()
      local simulator, now_ns = model.new {}, 1000 * MS
      for _, message in ipairs(messages(name)) do
        local count
        count, now_ns = rows_of(simulator, message.bytes, now_ns)
        assert.is_true(count >= 1, message.text)
        count, now_ns = rows_of(simulator, message.bytes:rep(2), now_ns)
        assert.is_true(count >= 2, "twice: " .. message.text)
      end
    end)
  end)
end
