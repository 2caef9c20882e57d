-- What the makers' own clients write, byte for byte, to the simulators of Pulse Pal and StimJim through a
-- pseudo-terminal; and what they read before they go on (they wait for it without looking at it).
local shell = require "shell"

local function bin(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

describe("the clients of", function()
  local folder, job, port

  before_each(function()
    folder = shell.folder()
  end)

  after_each(function()
    port:close()
    job:kill()
    shell.remove(folder)
  end)

  local function plug_in(device)
    job = shell.start(folder, "sim", ("sim %s --link %s/port --log %s/log"):format(device, folder, folder))
    job:says "simulated"
    assert.are.equal(0, (shell.sh(folder, ("stty -F %s/port raw -echo"):format(folder))))
    port = assert(io.open(folder .. "/port", "r+b"))
    port:setvbuf("no")
  end

  local function exchange(sent, expected)
    port:write(sent)
    if expected ~= "" then
      assert.are.equal(expected, port:read(#expected))
    end
  end

  local function count(event)
    local _, found = (shell.read(folder .. "/log") or ""):gsub("\t" .. event .. "\t", "")
    return found
  end

  it("Pulse Pal: Python, from its constructor to its destructor", function()
    local recorded = {}
    for _, row in ipairs(shell.rows("tests/data/pulsepal.tsv")) do
      recorded[row.command] = recorded[row.command] or row
    end
    plug_in "pulsepal"
    for _, name in ipairs { "handshake", "client_id", "sync_all", "set_param", "custom_train",
      "custom_waveform", "fixed_voltage" } do
      exchange(bin(recorded[name].bytes_hex), bin(recorded[name].reply_hex))
    end
    exchange(bin "d54d01", "") -- 1 ms in 11 ms, for 1 s
    shell.await(function() return count "pulse" >= 20 end, "twenty pulses")
    exchange(bin "d550", "")
    exchange(bin "d5520301", bin "01") -- the client leaves this byte unread: the port does not mind
    exchange(bin "d551", "")
    exchange(bin "d548", bin "4b15000000")
    assert.is_true(count "pulse" < 91)
    assert.are.equal(2, count "disarm")
  end)

  it("StimJim: define, start, wait for its words, stop", function()
    local rows = shell.rows("tests/data/stimjim.tsv")
    plug_in "stimjim"
    exchange(bin(rows[5].bytes_hex), bin(rows[5].reply_hex))
    exchange(bin(rows[6].bytes_hex), bin(rows[6].reply_hex))
    exchange("", bin(rows[7].reply_hex))
    assert.are.equal(3, count "pulse")
    for _, row in ipairs(rows) do
      if row.command == "stop" or row.command:find("^set_m") or row.command == "offsets" then
        exchange(bin(row.bytes_hex), bin(row.reply_hex))
      end
    end
    assert.are.equal(2, count "disarm")
  end)
end)
