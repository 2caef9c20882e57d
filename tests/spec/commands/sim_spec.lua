--- moonpulse sim for other people's programs: any of them can open it, at any speed.
local driver = require "moonpulse.devices.magventure"
local shell = require "shell"

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local ask = driver.commands.get_status2()
local shell_bytes = ask:gsub(".", function(c) return ("\\%03o"):format(c:byte()) end)

local in_python = [[
import serial, sys
ask, link = bytes.fromhex(sys.argv[1]), sys.argv[2]
for settings in [dict(baudrate=300), dict(baudrate=9600), dict(baudrate=38400),
                 dict(baudrate=115200, rtscts=True), dict(baudrate=1000000, stopbits=2),
                 dict(baudrate=12000000, rtscts=True), dict(baudrate=57600, parity="E", bytesize=7)]:
    port = serial.Serial(link, timeout=3, **settings)
    port.write(ask)
    print(settings["baudrate"], port.read(19).hex())
    port.close()
]]

--- What the simulator behind a link says of itself, asked with these settings of stty.
local function said(folder, link, settings)
  local status, out, err = shell.sh(folder, ("exec 3<>%s && stty raw -echo %s <&3 && printf '%s' >&3 "
    .. "&& timeout 3 head -c 19 <&3 | od -An -v -tx1 | tr -d ' \\n'"):format(link, settings, shell_bytes))
  assert.are.equal(0, status, err)
  local reply = driver.decode((out:gsub("%x%x", function(c) return string.char(tonumber(c, 16)) end)))
  return assert.is_table(reply, settings .. ": " .. out)
end

describe("the options of a simulated MagPro", function()
  it("make it another model, whose replies say so", function()
    local folder = shell.folder()
    local job = shell.start(folder, "r30", ("sim magventure --link %s/r30 --option model=R30+Option "
      .. "--option serial_number=77"):format(folder))
    job:says("simulated MagVenture MagPro on ")
    local reply = said(folder, folder .. "/r30", "38400")
    job:kill()
    shell.remove(folder)
    assert.are.same({ "R30+Option", 77 }, { reply.model, reply.serial })
  end)
end)

describe("a simulator", function()
  local folder, job

  before_each(function()
    folder = shell.folder()
    job = shell.start(folder, "simulator", ("sim magventure --link %s/stim --log %s/twin.tsv"):format(folder,
      folder))
    job:says("stop it with")
  end)

  after_each(function()
    job:kill()
    shell.remove(folder)
  end)

  it("answers whoever opens it, one after another, at any speed", function()
    for _, settings in ipairs { "300", "9600", "38400", "115200 crtscts",
        "1000000 cstopb", "4000000" } do
      local reply = said(folder, folder .. "/stim", settings)
      assert.are.same({ "get_status2", 66051 }, { reply.name, reply.serial })
    end
    local asked = 0
    for _, row in ipairs(shell.rows(folder .. "/twin.tsv")) do
      assert.are.same({ "get", hex(ask) }, { row.event, row.bytes })
      asked = asked + 1
    end
    assert.are.equal(6, asked)
  end)

  it("answers pyserial, at speeds that no UART has", function()
    if shell.sh(folder, "python3 -c 'import serial'") ~= 0 then
      pending("python3-serial is not installed")
    end
    shell.write(folder .. "/ask.py", in_python)
    local status, out, err = shell.sh(folder, ("python3 %s/ask.py %s %s/stim"):format(folder, hex(ask),
      folder))
    assert.are.equal(0, status, err)
    local answers = 0
    for _, answer in out:gmatch("(%d+) (%x+)") do
      assert.are.equal("fe0f05", answer:sub(1, 6))
      answers = answers + 1
    end
    assert.are.equal(7, answers)
  end)

  it("says what it served when it is stopped", function()
    job:signal("INT")
    job:signal("TERM")
    assert.are.equal(0, job:wait())
    assert.matches("0 pulses, 0 armings, 0 disarmings, 0 settings, 0 commands ignored", job:out(), 1, true)
    assert.is_nil(shell.read(folder .. "/stim")) -- its link went with it
  end)
end)