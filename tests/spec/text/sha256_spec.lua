-- SHA-256: what the standard gives as examples, however the text comes in.
local core = require "moonpulse.core"
local sha256 = require "moonpulse.text.sha256"
local shell = require "shell"

-- NIST, FIPS 180-4, examples of SHA-256: one block, two blocks, many
local examples = {
  [""] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq =
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  [("a"):rep(1000000)] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
}

describe("SHA-256", function()
  it("is that of the standard's examples: of a text, of its parts, and of a file", function()
    local folder = shell.folder()
    for text, digits in pairs(examples) do
      assert.are.equal(digits, sha256.of(text))
      local sum = sha256.new()
      for at = 1, #text, 1021 do
        sum:add(text:sub(at, at + 1020))
      end
      assert.are.equal(digits, sum:digits())
      assert.are.equal(digits, sum:digits()) -- asking changes nothing
      shell.write(folder .. "/text", text)
      local bytes = 0
      assert.are.equal(digits, sha256.of_file(folder .. "/text", function(more) bytes = bytes + more end))
      assert.are.equal(#text, bytes)
    end
    shell.remove(folder)
  end)

  it("refuses what is no text, and no sum", function()
    assert.has_error(function() core.sha256_of() end)
    assert.has_error(function() core.sha256():add() end)
    assert.has_error(function() core.sha256().add(core.sum(), "x") end)
  end)
end)
