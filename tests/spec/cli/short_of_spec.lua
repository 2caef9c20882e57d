-- What this computer is short of is named as that: with the file, and with what helps.
local bids = require "bids"
local lfs = require "lfs"
local numbers = require "moonpulse.text.numbers"
local rooms = require "moonpulse.text.room"
local seals = require "moonpulse.record.seal"
local shell = require "shell"

local folder

before_each(function() folder = shell.folder() end)
after_each(function() shell.remove(folder) end)

describe("what helps", function()
  it("is told by why a file cannot be written", function()
    assert.are.equal("make room", rooms.remedy "events.tsv: No space left on device")
    assert.matches("ulimit %-n", rooms.remedy "manifest.json.new: Too many open files")
    assert.matches("ulimit %-f", rooms.remedy "File too large")
    assert.are.equal("make room", rooms.remedy "journal.jsonl: Disk quota exceeded")
    for _, other in ipairs { "events.tsv: Input/output error", "report: no manifest to read" } do
      assert.are.equal("mend that", rooms.remedy(other)) -- room would not help
    end
  end)

  it("is nothing at a device where the guard or the flight record cannot be made", function()
    assert.is_true(rooms.is_short "cannot make the guard's pipe: Too many open files")
    assert.is_true(rooms.is_short "no room for the flight record a (1 bytes): No space left on device")
    assert.is_false(rooms.is_short "the stimulator does not answer")
    assert.is_false(rooms.is_short "/dev/ttyUSB0: Too many open files in system of the stimulator")
  end)

  it("is said in one line where hardly a file may be opened", function()
    for _, most in ipairs { 5, 7, 13, 31 } do
      local status, out, err = shell.sh(folder, ("ulimit -n %d; exec %s devices"):format(most,
        shell.quote(shell.program)))
      assert.are.equal(3, status, err)
      assert.are.equal("", out)
      assert.matches(("^moonpulse: only %d files may be open .*ulimit %%-n 1024.*\n$"):format(most), err)
      assert.is_nil(err:find("\n.", 1))
    end
    assert.are.equal(0, (shell.sh(folder, "ulimit -n 32; " .. shell.program
      .. " run itbs600 --amt 40 --speed max --out " .. folder .. "/few")))
  end)

  it("is said in one line where the stack is small", function()
    for _, most in ipairs { 64, 511 } do
      local status, out, err = shell.sh(folder, ("ulimit -s %d; exec %s devices"):format(most,
        shell.quote(shell.program)))
      assert.are.same({ 3, "" }, { status, out })
      assert.matches(("^moonpulse: the stack may only have %d kB here, .*ulimit %%-s 8192.*\n$"):format(most),
        err)
    end
    assert.are.equal(0, (shell.sh(folder, "ulimit -s 512; " .. shell.program
      .. " run itbs600 --amt 40 --speed max --out " .. folder .. "/small")))
  end)

  it("names the file where a folder cannot be sealed", function()
    local run = bids.run(folder, "sici --rmt 40 --device sim:bistim")
    local _, _, err = shell.sh(folder, ("ulimit -f 1; %s export prov %s -o %s/p"):format(shell.program, run,
      folder))
    assert.is_nil(err:find("traceback", 1, true))
    require("moonpulse.record.file").beside = (function(beside)
      finally(function() require("moonpulse.record.file").beside = beside end)
      return function(path)
        return path:find("SHA256SUMS.room", 1, true) and io.open("/dev/full", "w") or beside(path)
      end
    end)(require("moonpulse.record.file").beside)
    local seal, message = seals.again(run, "note", { text = "looked at" })
    assert.is_nil(seal)
    assert.matches("/SHA256SUMS: No space left", message)
  end)
end)

describe("numbers of options", function()
  it("are decimal", function()
    assert.are.equal(48, numbers.decimal "48")
    assert.are.equal(4.8, numbers.decimal "48e-1")
    for _, text in ipairs { "0x30", "0X30", "-0x1p4", "n/a", "" } do
      assert.is_nil(numbers.decimal(text))
    end
    for _, text in ipairs { "sici --rmt 0x30", "sici --rmt 40 --seed 0x7", "sici --rmt 40 -p cs=0x30" } do
      local status, _, err = shell.moonpulse(folder, "check " .. text)
      assert.are.equal(2, status, text)
      assert.matches("0x", err)
    end
  end)
end)

describe("recover", function()
  it("writes an events.json that the disk did not take, and the folder is whole", function()
    local run = bids.run(folder, "sici --rmt 40 --device sim:bistim")
    local text = shell.read(run .. "/events.json")
    os.remove(run .. "/events.json")
    assert.is_string(seals.again(run, "note", { text = "sealed without it" })) -- as a full disk leaves it
    local status, out, err = shell.moonpulse(folder, "recover " .. run)
    assert.are.equal(0, status, err)
    assert.matches("events.json was missing, and is written", out)
    assert.are.equal(text, shell.read(run .. "/events.json"))
    local verified, said = shell.moonpulse(folder, "verify " .. run)
    assert.are.equal(0, verified, said)
  end)

  it("but not one that was there when the folder was sealed", function()
    local run = bids.run(folder, "sici --rmt 40 --device sim:bistim")
    os.remove(run .. "/events.json")
    assert.are.equal(2, (shell.moonpulse(folder, "recover " .. run)))
    assert.is_nil(lfs.attributes(run .. "/events.json", "mode"))
  end)

  it("never says that more was recovered of less", function()
    local run = bids.run(folder, "sici --rmt 40 --device sim:bistim")
    shell.write(folder .. "/made.lua", ([[
      require("moonpulse.record.recover").run = function()
        return { sent = 30, planned = 0, confirmed = 30, skipped = 0, said = {}, disarmed = true }
      end
      require("moonpulse.commands.recover").run { run = %q }]]):format(run))
    local _, out, err = shell.moonpulse(folder, "lua " .. folder .. "/made.lua")
    assert.matches("recovered 30 pulses, more than what is left says was planned: 30 confirmed by the "
      .. "device, 0 skipped", out, 1, true)
    assert.are.equal("", err)
  end)
end)

it("verify of a folder without its texts does not send to another computer", function()
  local run = bids.run(folder, "sici --rmt 40 --device sim:bistim")
  os.execute("rm -r " .. run .. "/sources")
  local status, out = shell.moonpulse(folder, "verify " .. run)
  assert.are.equal(1, status)
  assert.is_nil(out:find("seccomp", 1, true), out)
  assert.matches("verify a copy of the folder that has them", out)
end)
