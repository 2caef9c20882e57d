-- The simulated MagPro as MagventurePyTMS (fbd76a8, pytms.py) uses it: its frames, byte for byte and in
-- its order, over a pseudo-terminal. The checksums are this spec's own.
local core = require "moonpulse.core"
local shell = require "shell"

local function unhex(text)
  return (text:gsub("%s", ""):gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

--- CRC-8 of Dallas/Maxim, bit by bit.
local function crc8(bytes)
  local crc = 0
  for i = 1, #bytes do
    crc = crc ~ bytes:byte(i)
    for _ = 1, 8 do
      crc = crc & 1 == 1 and crc >> 1 ~ 0x8C or crc >> 1
    end
  end
  return crc
end

local function frame(payload)
  local bytes = unhex(payload)
  return string.char(0xFE, #bytes) .. bytes .. string.char(crc8(bytes), 0xFF)
end

describe("MagventurePyTMS on the simulated MagPro", function()
  local folder, sim, session, heard

  before_each(function()
    folder, heard = shell.folder(), ""
    sim = shell.start(folder, "sim", ("sim magventure --link %s/stim --log %s/twin.tsv"):format(folder,
      folder))
    sim:says("simulated MagVenture")
    session = core.session {
      on_bytes = function(bytes) heard = heard .. bytes end, on_outcome = function() end,
      on_gone = function() end,
    }
    assert(session:open(folder .. "/stim", { baud = 38400, bits = 8, parity = "none", stop_bits = 1,
      flow = "none" }))
  end)

  after_each(function()
    session:close()
    sim:kill()
    shell.remove(folder)
  end)

  --- Write frames at once, as the client does; the payloads that come until `count` frames are there.
  local function ask(count, ...)
    heard = ""
    for _, payload in ipairs { ... } do
      assert(session:write(frame(payload)))
    end
    local list
    shell.await(function()
      local rest = heard
      list = {}
      while #rest >= 2 and #rest >= rest:byte(2) + 4 do
        local bytes = rest:sub(1, rest:byte(2) + 4)
        assert.are.same({ 0xFE, crc8(bytes:sub(3, -3)), 0xFF }, { bytes:byte(1), bytes:byte(-2, -1) })
        if bytes:byte(3) ~= 3 then -- temperatures come unasked
          list[#list + 1] = hex(bytes:sub(3, -3))
        end
        rest = rest:sub(#bytes + 1)
      end
      return #list >= count
    end, count .. " frames after " .. table.concat({ ... }, ", "))
    return list
  end

  it("connects, sets a theta burst, fires a burst and a train, and ends", function()
    session:write(unhex "fe010000ff")
    core.wait(0.1)
    assert.is_true(#heard >= 13)
    assert.is_truthy(heard:find("\xFE\9\0", 1, true)) -- the status, and perhaps a temperature

    local all = ask(5, "05", "0900", "0a00", "0b00", "0c00") -- resync
    assert.are.same({ "05", 30 }, { all[1]:sub(1, 2), #all[1] })
    -- X100, Standard, Normal, Biphasic, five pulses, 10 ms (place 90 of the list), B/A 1
    assert.are.same({ "0901000001", "0a00000000000000", "0b0000000a00050003000a01640a",
      "0c0000030000000f000000000001" }, { all[2]:sub(1, 2) .. all[2]:sub(5, 12), all[3], all[4], all[5] })

    assert.are.same({ "01000034", "01000034" }, ask(2, "0201")) -- enabled = True
    assert.are.same({ "01280034" }, ask(1, "012800")) -- amplitude = 40
    -- waveform, burstPulses, IPI: 20 ms is place 80
    assert.are.same({ "0128003c", "09000100000302500050" }, ask(2, "0901010000030200c80064", "0900"))
    -- train.RepRate = 5; then two trains of two bursts, 0.5 s between
    assert.are.same({ "0802003c", "0c0000030000000f000000000002", "0b0000003200050003000a01640a" },
      ask(3, "0702", "0c00", "0b01000032000500030" .. "00a01", "0b00"))
    assert.are.same({ "0802003c", "0c0000030000000f000000000002", "0b0000003200020002000501640a" },
      ask(3, "0702", "0c00", "0b0100003200020002000501", "0b00"))

    assert.are.same({ "0234003c" }, ask(1, "03")) -- firePulse: one burst, dI/dt 52 A/us
    -- fireTrain
    assert.are.same({ "0802003c", "0c00000200000004000000000002", "0802013c", "0234003c", "0234003c",
      "0234003c", "0234003c", "0802003c" }, ask(8, "0702", "0c00", "04"))
    assert.are.same({ "0128002c", "0128002c" }, ask(2, "0200")) -- enabled = False

    local pulses, starts = 0, 0
    for _, row in ipairs(shell.rows(folder .. "/twin.tsv")) do
      assert.is_false(row.event == "ignored" or row.event == "error", row.note)
      pulses = pulses + (row.event == "pulse" and 1 or 0)
      starts = starts + (row.bytes == "fe010461ff" and 1 or 0)
    end
    assert.are.same({ 15, 1 }, { pulses, starts })
  end)
end)
