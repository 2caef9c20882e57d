-- What a user reads: the bytes of commands explained, and lines that say no more than is known.
local shell = require "shell"

describe("what a user reads", function()
  local folder

  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/trains.lua", [[
      local mp = require "moonpulse"
      return mp.protocol { id = "trains", name = "Trains", plan = function()
        return mp.train { pulses = 5, hz = 10, intensity = mp.mso(40) }:times(2, { every = 4 })
      end }]])
  end)

  teardown(function()
    shell.remove(folder)
  end)

  local function line(arguments)
    local status, out, err = shell.moonpulse(folder, arguments)
    return status == 0 and out:gsub("\n$", "") or err, status
  end

  it("is an interval of a BiStim in the resolution that was told", function()
    assert.are.equal("set_interval ms=25", (line "decode --sent bistim 4330323525"))
    assert.are.equal("set_interval ms=2.5;high_res=1", (line "decode --sent bistim 4330323525 high_res=1"))
  end)

  it("is the Rapid version that was told, unless the digits are another's", function()
    assert.are.equal("set_duration version=5.0;s=1", (line "decode --sent rapid 5b30313013 version=5.0"))
    assert.are.equal("set_duration version=8.0;s=1", (line "decode --sent rapid 5b30313013"))
    assert.are.equal("set_duration version=8.0;s=1", (line "decode --sent rapid 5b30313013 version=11.0"))
  end)

  it("is one line, whatever stands in a text, and the same text makes the same bytes", function()
    local bytes = line "frame trigger text 'text=a;b\\n\\x07\\\\'"
    assert.are.equal("613b620a075c", bytes)
    local text = line("decode --sent trigger " .. bytes)
    assert.are.equal("text text=a\\x3bb\\n\\x07\\\\", text)
    assert.are.equal(bytes, (line("frame trigger text '" .. text:match("^text (.*)$") .. "'")))
  end)

  it("prints the bytes and nothing else, also where there are none", function()
    local status, out, err = shell.moonpulse(folder, "frame trigger line line=RTS level=1")
    assert.are.same({ 0, "\n" }, { status, out })
    assert.are.equal("no bytes: a line of the port\n", err)
  end)

  it("takes a key once", function()
    local refusal, status = line "frame magstim200 set_power percent=3 percent=4"
    assert.are.equal(2, status)
    assert.are.equal("moonpulse: percent is given twice\n", refusal)
  end)

  it("names a command once in a refusal", function()
    local refusal, status = line "frame magventure set_amplitude"
    assert.are.equal(2, status)
    assert.matches("^moonpulse: set_amplitude needs a ", refusal)
  end)

  it("names a device once, and no serial number that it does not tell", function()
    local status, out = shell.moonpulse(folder,
      ("run %s/trains.lua --device sim:stimjim --speed max --out %s/a"):format(folder, folder))
    assert.are.equal(0, status)
    assert.matches("device +simulated StimJim\n", out)
  end)

  it("has a channel for pulses that the device times, too", function()
    local status, _, err = shell.moonpulse(folder,
      ("run %s/trains.lua --timing device --speed max --out %s/b"):format(folder, folder))
    assert.are.equal(0, status, err)
    local rows = shell.rows(folder .. "/b/" .. shell.names(folder .. "/b")[1] .. "/events.tsv")
    assert.are.equal(10, #rows)
    for _, row in ipairs(rows) do
      assert.are.same({ "device", "1" }, { row.timed_by, row.channel })
    end
  end)

  it("refuses --until-eof where the end of the input cannot be seen", function()
    local refusal, status = line "sim trigger --until-eof < /dev/null"
    assert.are.equal(2, status)
    assert.matches("--until-eof: cannot watch standard input", refusal, 1, true)
  end)
end)
